# mode: stdin
# expect: syntax_error
# stdin: '5\n'
# out: '6\n'
# source: '# coding: no-such-thing\nprint(6)'

