# mechanism: sends an empty message on the control socket, which reads like its end
# stopped by: validation of messages: the server waits for the process's end; comparison outside the sandbox
# mode: stdin
# expect: passed|runtime_error|forbidden|exited_early|process_limit|time_limit
# stdin: '5\n'
# out: '6\n'
import socket
print(int(input()) + 1, flush=True)
socket.socket(fileno=3).send(b"")
