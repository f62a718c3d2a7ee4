# mechanism: forges a call's result as JSON nested 500,000 deep, to overflow the stack of the judge's parser
# stopped by: validation of messages: a result that cannot be parsed is a wrong answer
# mode: call
# expect: failed
# args: [1]
# expected: 2
# repeat: 3
import struct, os
REPORT = struct.pack("=BBq", 0, 0, 0)

os.pwrite(6, b"[" * 500000, 0)
os.write(3, REPORT)
os._exit(0)
