# mechanism: exits with an object that equals 0 for its status
# stopped by: comparison outside the sandbox: after status 0 the output is compared
# mode: stdin
# expect: passed|runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: '6\n'
import sys
class Zero:
    def __eq__(self, other): return True
print(int(input()) + 1)
sys.exit(Zero())
