# mechanism: a checker loops for ever and catches all exceptions
# stopped by: time limits: the checker's own
# mode: stdin
# expect: checker_failed
# stdin: ''
# out: '7'
# repeat: 2
# checker: 'def check(*_):\n    while True:\n        try:\n            while True: pass\n        except BaseException: pass'
print(7)
