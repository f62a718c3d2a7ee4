# mechanism: exits with status 0 from a signal handler, by a timer, while the driver works
# stopped by: comparison outside the sandbox: after status 0 the output is compared
# mode: stdin
# expect: wrong_answer|runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import signal, os
for number in signal.valid_signals():
    try: signal.signal(number, lambda *a: os._exit(0))
    except OSError: pass
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.01)
print(7)
