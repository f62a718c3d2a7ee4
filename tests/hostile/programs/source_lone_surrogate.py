# mechanism: contains a lone surrogate, which cannot be encoded as UTF-8 on the way to the sandbox
# stopped by: semantics of CPython: the source is passed on with its surrogates
# mode: stdin
# expect: passed|syntax_error
# stdin: '5\n'
# out: '6\n'
# source: '# \udcff\nprint(6)'

