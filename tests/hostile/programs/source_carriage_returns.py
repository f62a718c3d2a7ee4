# mechanism: has carriage returns for line ends, which are lost if a harness splits or rewrites the source
# stopped by: semantics of CPython
# mode: stdin
# expect: passed
# stdin: '5\n'
# out: '6\n'
# source: 'n = int(input())\rif n:\r\tprint(n + 1)\r'

