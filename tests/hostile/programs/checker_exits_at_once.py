# mechanism: a checker exits with status 0 when it is loaded, before check is called
# stopped by: validation of messages: a call that ends without a report has exited early
# mode: stdin
# expect: checker_failed
# stdin: ''
# out: '7'
# repeat: 2
# checker: 'import os\nos._exit(0)'
print(7)
