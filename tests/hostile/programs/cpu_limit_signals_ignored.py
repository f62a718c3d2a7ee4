# mode: stdin
# expect: time_limit
# stdin: '5\n'
# out: '6\n'
import signal
for number in signal.valid_signals() - {9, 19}:
    signal.signal(number, signal.SIG_IGN)
while True: pass
