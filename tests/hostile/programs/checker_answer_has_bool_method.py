# mechanism: a checker returns an object whose methods for truth and equality return True
# stopped by: validation of messages: only the JSON texts true and false are a checker's decision
# mode: stdin
# expect: checker_failed
# stdin: ''
# out: '7'
# repeat: 2
# checker: 'class Yes:\n    def __bool__(self): return True\n    def __eq__(self, other): return True\ndef check(*_):\n    return Yes()'
print(7)
