# mode: call
# expect: failed
# args: [1]
# expected: 2
# repeat: 3
import struct, os
REPORT = struct.pack("=BBq", 0, 0, 0)

def f(x):
    os.pwrite(6, bytes(range(256)) * 100, 0)
    os.write(3, REPORT)
    os._exit(0)
