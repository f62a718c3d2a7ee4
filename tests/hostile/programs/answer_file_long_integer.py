# mechanism: forges a call's result as a number of a million digits, whose conversion takes quadratic time
# stopped by: validation of messages: the judge keeps long integers as digits and does not convert them
# mode: call
# expect: failed
# args: [1]
# expected: 2
# repeat: 3
import struct, os
REPORT = struct.pack("=BBq", 0, 0, 0)

def f(x):
    os.pwrite(6, b"9" * 1000000, 0)
    os.write(3, REPORT)
    os._exit(0)
