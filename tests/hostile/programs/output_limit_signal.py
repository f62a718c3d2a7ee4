# mode: stdin
# expect: OLE|RE|SIG
# stdin: '5\n'
# out: '6\n'
import signal, os
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
while True: os.write(1, b"x" * 100000)
