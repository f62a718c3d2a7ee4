# mechanism: ignores all signals, also the one for the limit on CPU time, and loops
# stopped by: time limits: the fork server measures CPU time and sends SIGKILL
# mode: stdin
# expect: time_limit
# stdin: '5\n'
# out: '6\n'
import signal
for number in signal.valid_signals() - {9, 19}:
    signal.signal(number, signal.SIG_IGN)
while True: pass
