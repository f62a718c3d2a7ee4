# mechanism: reads all descriptors, sockets and live objects in search of the expected output
# stopped by: comparison outside the sandbox: expected outputs never enter it
# mode: stdin
# expect: wrong_answer|runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: 'EXPECTED_7c2\n'
import os, gc, socket
for fd in range(1024):
    try: data = os.pread(fd, 1 << 20, 0)
    except OSError: continue
    if b"EXPECTED" in data: print("LEAK", fd)
for each in gc.get_objects():
    if isinstance(each, socket.socket):
        try: print("LEAK", each.recv(100), each.send(b"x"))
        except OSError: pass
