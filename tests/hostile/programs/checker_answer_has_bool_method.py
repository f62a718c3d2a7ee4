# mode: stdin
# expect: checker_failed
# stdin: ''
# out: '7'
# repeat: 2
# checker: 'class Yes:\n    def __bool__(self): return True\n    def __eq__(self, other): return True\ndef check(*_):\n    return Yes()'
print(7)
