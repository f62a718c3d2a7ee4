# mode: stdin
# expect: passed|syntax_error
# stdin: '5\n'
# out: '6\n'
# source: '# \udcff\nprint(6)'

