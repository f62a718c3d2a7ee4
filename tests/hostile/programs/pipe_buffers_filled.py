# mechanism: fills the buffers of many pipes, memory of the kernel that limits on a process do not count
# stopped by: resource limits: on open files
# mode: stdin
# expect: passed|runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: '6\n'
import fcntl, os, socket
kept = []
try:
    while True:
        r, w = os.pipe()
        kept.append((r, w))
        os.set_blocking(w, False)
        try: fcntl.fcntl(w, 1031, 1 << 20)
        except OSError: pass
        try:
            while True: os.write(w, b"x" * 65536)
        except BlockingIOError: pass
except OSError: pass
print(int(input()) + 1)
