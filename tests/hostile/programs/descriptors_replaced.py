# mode: stdin
# expect: passed|runtime_error|forbidden|exited_early|process_limit|time_limit
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import os, socket
n = int(input())
a, b = socket.socketpair()
for fd in range(3, 10):
    os.dup2(a.fileno(), fd)
print(n + 1)
