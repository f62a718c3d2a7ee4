# mechanism: contains a NUL byte, at which a harness in C would end the source
# stopped by: semantics of CPython: a syntax error
# mode: stdin
# expect: syntax_error
# stdin: '5\n'
# out: '6\n'
# source: 'print(6)\x00'

