# mode: stdin
# expect: WA|RE
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import signal, os
for number in signal.valid_signals():
    try: signal.signal(number, lambda *a: os._exit(0))
    except OSError: pass
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.01)
print(7)
