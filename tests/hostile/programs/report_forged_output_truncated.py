# mode: stdin
# expect: failed
# stdin: '5\n'
# out: '6\n'
# repeat: 5
# note: shortens its output while the server copies it
import struct, os
REPORT = struct.pack("=BBq", 0, 0, 0)

os.ftruncate(1, 1 << 20)
os.write(3, REPORT)
while True:
    os.ftruncate(1, 1 << 20)
    os.ftruncate(1, 0)
