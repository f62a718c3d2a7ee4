# mechanism: sets O_APPEND on the files of input and output, with which sendfile of the server fails
# stopped by: files of the server: their flags are reset before each test
# mode: stdin
# expect: passed
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import fcntl, os
n = int(input())
for fd in (0, 1, 4, 5):
    fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND | os.O_NONBLOCK)
print(n + 1)
