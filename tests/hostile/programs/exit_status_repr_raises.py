# mechanism: exits with an object that raises KeyboardInterrupt when it is shown
# stopped by: driver: what cannot be shown has failed all the same
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
