# mechanism: reports early and moves the position of the input file while the server copies the next input
# stopped by: files of the server: a failed copy is an early exit; comparison outside the sandbox
# mode: stdin
# expect: failed
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import struct, os
REPORT = struct.pack("=BBq", 0, 0, 0)

os.write(3, REPORT)
while True:
    os.lseek(0, (1 << 63) - 1 - 4096, 0)
