# mode: stdin
# expect: FAIL
# stdin: '5\n'
# out: '6\n'
# note: reaches the functions that report, and has them say nothing, or only good
import sys
frame = sys._getframe()
while frame:
    for name, value in list(frame.f_globals.items()):
        if name in ("report", "explain", "_finish", "_attempt"):
            frame.f_globals[name] = lambda *a, **k: 0
    for name, value in list(frame.f_globals.items()):
        if name == "OUTCOMES":
            frame.f_globals[name] = value[:1] * len(value)
    frame = frame.f_back
