# mechanism: forges a call's result as bytes that are not UTF-8, to make the judge's decoder raise
# stopped by: validation of messages: a result that cannot be decoded is a wrong answer
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
