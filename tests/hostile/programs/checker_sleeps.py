# mechanism: a checker sleeps
# stopped by: time limits: wall-clock time, as it uses no CPU time
# mode: stdin
# expect: checker_failed
# stdin: ''
# out: '7'
# checker: 'import time\ndef check(*_):\n    time.sleep(1000)'
print(7)
