# mode: stdin
# expect: runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: '6\n'
import sys
class Zero:
    def __eq__(self, other): return False
    def __repr__(self): raise KeyboardInterrupt
    def __format__(self, how): raise KeyboardInterrupt
sys.exit(Zero())
