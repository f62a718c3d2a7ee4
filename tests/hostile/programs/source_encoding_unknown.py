# mechanism: declares an unknown encoding, so that the compiler raises other errors
# stopped by: semantics of CPython: a syntax error
# mode: stdin
# expect: syntax_error
# stdin: '5\n'
# out: '6\n'
# source: '# coding: no-such-thing\nprint(6)'

