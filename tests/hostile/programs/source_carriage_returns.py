# mode: stdin
# expect: passed
# stdin: '5\n'
# out: '6\n'
# source: 'n = int(input())\rif n:\r\tprint(n + 1)\r'

