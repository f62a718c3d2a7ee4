# mode: stdin
# expect: RE
# stdin: '5\n'
# out: '6\n'
print(int(input()) + 1)
raise KeyboardInterrupt
