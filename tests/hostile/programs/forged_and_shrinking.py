# mode: stdin
# expect: FAIL
# stdin: '5\n'
# out: '6\n'
# repeat: 5
# note: its output gets shorter while it is copied
import struct, os
REPORT = struct.pack("=BBq", 0, 0, 0)

os.ftruncate(1, 1 << 20)
os.write(3, REPORT)
while True:
    os.ftruncate(1, 1 << 20)
    os.ftruncate(1, 0)
