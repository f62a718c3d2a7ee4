# mode: stdin
# expect: CE
# stdin: '5\n'
# out: '6\n'
# source: '# coding: no-such-thing\nprint(6)'

