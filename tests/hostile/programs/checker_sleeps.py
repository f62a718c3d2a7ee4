# mode: stdin
# expect: checker_failed
# stdin: ''
# out: '7'
# checker: 'import time\ndef check(*_):\n    time.sleep(1000)'
print(7)
