# mode: stdin
# expect: RE|SIG|WA
# stdin: '5\n'
# out: '6\n'
import ctypes, sys
ctypes.memset(id(int), 0, 64)
print(int(input()) + 1)
