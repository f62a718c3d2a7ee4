# mechanism: replaces the control socket and the copies of input and output by a socket of its own
# stopped by: validation of messages: without its control socket a process is judged by its exit status
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
