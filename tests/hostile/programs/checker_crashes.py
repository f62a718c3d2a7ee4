# mode: stdin
# expect: checker_failed
# stdin: ''
# out: '7'
# repeat: 2
# checker: 'import ctypes\ndef check(*_):\n    ctypes.string_at(0)'
print(7)
