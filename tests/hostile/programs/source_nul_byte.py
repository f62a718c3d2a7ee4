# mode: stdin
# expect: syntax_error
# stdin: '5\n'
# out: '6\n'
# source: 'print(6)\x00'

