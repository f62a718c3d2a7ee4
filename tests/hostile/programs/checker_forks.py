# mechanism: a checker starts processes without end
# stopped by: seccomp filter
# mode: stdin
# expect: checker_failed
# stdin: ''
# out: '7'
# repeat: 2
# checker: 'import os\ndef check(*_):\n    while True: os.fork()'
print(7)
