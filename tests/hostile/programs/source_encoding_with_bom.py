# mechanism: declares an encoding that contradicts its byte order mark
# stopped by: semantics of CPython: a syntax error
# mode: stdin
# expect: syntax_error
# stdin: '5\n'
# out: '6\n'
# source: '\ufeff# coding: latin-1\nprint(6)'

