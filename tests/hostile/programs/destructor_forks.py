# mechanism: starts processes from a destructor
# stopped by: seccomp filter
# mode: stdin
# expect: passed|runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import os
class Forks:
    def __del__(self):
        for _ in range(5):
            try: os.fork()
            except OSError: pass
forks = Forks()
print(int(input()) + 1)
