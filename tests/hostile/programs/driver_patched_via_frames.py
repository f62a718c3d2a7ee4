# mechanism: replaces the driver's functions in the globals of its stack frames
# stopped by: time limits: it does not report any more; comparison outside the sandbox
# mode: stdin
# expect: failed
# stdin: '5\n'
# out: '6\n'
import sys
frame = sys._getframe()
while frame:
    for name, value in list(frame.f_globals.items()):
        if name in ("report", "write_reason", "_finish_call", "_run_test"):
            frame.f_globals[name] = lambda *a, **k: 0
    for name, value in list(frame.f_globals.items()):
        if name == "OUTCOMES":
            frame.f_globals[name] = value[:1] * len(value)
    frame = frame.f_back
