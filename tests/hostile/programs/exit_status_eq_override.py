# mode: stdin
# expect: passed|runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: '6\n'
import sys
class Zero:
    def __eq__(self, other): return True
print(int(input()) + 1)
sys.exit(Zero())
