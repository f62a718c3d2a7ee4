# mechanism: a checker returns an instance of a subclass of int that shows itself as true
# stopped by: validation of messages: only the JSON texts true and false are a checker's decision
# mode: stdin
# expect: checker_failed
# stdin: ''
# out: '7'
# repeat: 2
# checker: 'class Yes(int):\n    def __bool__(self): return True\n    def __repr__(self): return "true"\n    __str__ = __eq__ = __repr__\n    __hash__ = int.__hash__\ndef check(*_):\n    return Yes(1)'
print(7)
