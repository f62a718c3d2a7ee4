# mechanism: a checker exits with status 0 while it checks
# stopped by: validation of messages: a call that ends without a report has exited early
# mode: stdin
# expect: checker_failed
# stdin: ''
# out: '7'
# repeat: 2
# checker: 'import os\ndef check(*_):\n    os._exit(0)'
print(7)
