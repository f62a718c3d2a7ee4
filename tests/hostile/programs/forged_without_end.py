# mode: stdin
# expect: FAIL
# stdin: '5\n'
# out: '6\n'
# repeat: 300
# note: reports test after test and never listens: the line to it fills up
import struct, os
REPORT = struct.pack("=BBq", 0, 0, 0)

while True: os.write(3, REPORT)
