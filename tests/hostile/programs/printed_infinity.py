# mode: stdin
# expect: WA
# stdin: '5\n'
# out: '6\n'
# out: '1e999\n'
print(7.5)
