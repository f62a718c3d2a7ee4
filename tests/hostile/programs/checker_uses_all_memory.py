# mechanism: a checker allocates memory without end
# stopped by: resource limits: on address space
# mode: stdin
# expect: checker_failed
# stdin: ''
# out: '7'
# repeat: 2
# checker: 'def check(*_):\n    kept = []\n    while True: kept.append(bytearray(1 << 24))'
print(7)
