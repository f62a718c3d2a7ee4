# mode: stdin
# expect: failed
# stdin: '5\n'
# out: '6\n'
# repeat: 300
# note: reports tests without reading orders, until the socket buffer is full
import struct, os
REPORT = struct.pack("=BBq", 0, 0, 0)

while True: os.write(3, REPORT)
