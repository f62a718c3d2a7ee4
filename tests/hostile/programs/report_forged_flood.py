# mechanism: reports tests without reading orders, until the buffer of the control socket is full
# stopped by: comparison outside the sandbox; validation of messages: an order without room is an early exit
# mode: stdin
# expect: failed
# stdin: '5\n'
# out: '6\n'
# repeat: 300
import struct, os
REPORT = struct.pack("=BBq", 0, 0, 0)

while True: os.write(3, REPORT)
