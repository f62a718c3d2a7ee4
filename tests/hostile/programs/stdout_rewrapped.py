# mechanism: wraps the buffers of sys.stdout and sys.stdin anew, which close when they are destroyed
# stopped by: semantics of CPython
# mode: stdin
# expect: passed
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import io, sys
sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", line_buffering=False)
sys.stdin = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8")
print(int(input()) + 1)
