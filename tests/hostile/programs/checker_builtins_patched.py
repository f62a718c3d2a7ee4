# mechanism: a checker replaces the built-in functions that the driver and json use
# stopped by: checker in another process: its failure is an outcome of its own
# mode: stdin
# expect: checker_failed
# stdin: ''
# out: '7'
# repeat: 2
# checker: 'import builtins, json\nfor name in dir(builtins):\n    if name.islower() and name not in ("setattr", "print"): setattr(builtins, name, None)\ndef check(*_):\n    return True'
print(7)
