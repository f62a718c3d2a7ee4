# mechanism: registers exit handlers without end, so that finalisation never finishes
# stopped by: time limits
# mode: stdin
# expect: time_limit
# stdin: '5\n'
# out: '6\n'
import atexit
def again(): atexit.register(again)
@atexit.register
def _():
    while True: pass
print(int(input()) + 1)
