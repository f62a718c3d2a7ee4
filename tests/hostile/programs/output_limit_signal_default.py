# mechanism: writes without end, after it has restored the default action of SIGXFSZ
# stopped by: resource limits: on the size of files
# mode: stdin
# expect: output_limit|runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: '6\n'
import signal, os
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
while True: os.write(1, b"x" * 100000)
