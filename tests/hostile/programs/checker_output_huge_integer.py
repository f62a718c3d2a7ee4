# mechanism: forges a call's result as a million digits, which judge or checker may convert in quadratic time
# stopped by: validation of messages: the judge passes digits on as text; time limits: the checker's own
# mode: call
# expect: failed
# args: [1]
# expected: 2
# checker: 'def check(args, expected, returned):\n    return expected == returned'
import os, struct

REPORT = struct.pack("=BBq", 0, 0, 0)


def f(x):
    os.pwrite(6, b"9" * 1_000_000, 0)
    os.write(3, REPORT)
    os._exit(0)
