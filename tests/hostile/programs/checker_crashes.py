# mechanism: a checker reads address 0, which ends its process by a signal
# stopped by: checker in another process: its failure is an outcome of its own
# mode: stdin
# expect: checker_failed
# stdin: ''
# out: '7'
# repeat: 2
# checker: 'import ctypes\ndef check(*_):\n    ctypes.string_at(0)'
print(7)
