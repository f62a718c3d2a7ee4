# mechanism: changes the line that the driver executes next by a trace function in its frames
# stopped by: time limits: its loop does not end; comparison outside the sandbox
# mode: stdin
# expect: wrong_answer|runtime_error|forbidden|exited_early|process_limit|time_limit
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import sys, threading
def trace(frame, event, argument):
    try: frame.f_lineno = frame.f_code.co_firstlineno + 1
    except Exception: pass
    return trace
frame = sys._getframe()
while frame:
    frame.f_trace = trace
    frame = frame.f_back
sys.settrace(trace); threading.settrace(trace)
