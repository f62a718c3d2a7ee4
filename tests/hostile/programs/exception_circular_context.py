# mechanism: raises an exception whose contexts form a cycle, to make a printer of tracebacks loop
# stopped by: driver: it follows no contexts
# mode: stdin
# expect: runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: '6\n'
a, b = ValueError(1), ValueError(2)
a.__context__, b.__context__, a.__cause__ = b, a, b
a.__notes__ = 7
raise a
