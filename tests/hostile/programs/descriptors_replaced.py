# mode: stdin
# expect: OK|RE|TLE
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import os, socket
n = int(input())
a, b = socket.socketpair()
for fd in range(3, 10):
    os.dup2(a.fileno(), fd)
print(n + 1)
