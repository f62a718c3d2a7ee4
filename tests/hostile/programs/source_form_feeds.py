# mechanism: has form feeds and a byte order mark, which are lost if a harness rewrites the source
# stopped by: semantics of CPython
# mode: stdin
# expect: passed
# stdin: '5\n'
# out: '6\n'
# source: '\ufeff\x0cn = int(input())\r\n\x0cprint(n + 1)\x0c'

