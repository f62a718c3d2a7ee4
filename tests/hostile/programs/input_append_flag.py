# mode: stdin
# expect: passed
# stdin: '5\n'
# out: '6\n'
# repeat: 3
# note: sendfile does not write to files with O_APPEND
import fcntl, os
n = int(input())
for fd in (0, 1, 4, 5):
    fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND | os.O_NONBLOCK)
print(n + 1)
