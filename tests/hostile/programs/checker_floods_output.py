# mechanism: a checker prints without end
# stopped by: resource limits: on the size of files
# mode: stdin
# expect: checker_failed
# stdin: ''
# out: '7'
# repeat: 2
# checker: 'def check(*_):\n    while True: print("x" * 100000)'
print(7)
