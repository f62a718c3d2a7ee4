# mode: stdin
# expect: OK|CE
# stdin: '5\n'
# out: '6\n'
# source: '# \udcff\nprint(6)'

