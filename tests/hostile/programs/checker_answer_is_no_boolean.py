# mode: stdin
# expect: checker_failed
# stdin: ''
# out: '7'
# repeat: 2
# checker: 'class Yes(int):\n    def __bool__(self): return True\n    def __repr__(self): return "true"\n    __str__ = __eq__ = __repr__\n    __hash__ = int.__hash__\ndef check(*_):\n    return Yes(1)'
print(7)
