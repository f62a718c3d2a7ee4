# mode: call
# expect: failed
# args: [1]
# expected: 2
# checker: 'def check(args, expected, returned):\n    return expected == returned'
# note: a million digits, which the judge must not convert; whether the checker can is up to its limits
import os, struct

REPORT = struct.pack("=BBq", 0, 0, 0)


def f(x):
    os.pwrite(6, b"9" * 1_000_000, 0)
    os.write(3, REPORT)
    os._exit(0)
