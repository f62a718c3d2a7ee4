# mechanism: forges a call's result as JSON in UTF-16, which json.loads of bytes accepts
# stopped by: validation of messages: an output that is not UTF-8 is a wrong answer
# mode: call
# expect: wrong_answer
# args: [1]
# expected: 2
# checker: 'def check(args, expected, returned):\n    return expected == returned'
# repeat: 3
import os, struct

REPORT = struct.pack("=BBq", 0, 0, 0)


def f(x):
    os.pwrite(6, "2".encode("utf-16"), 0)
    os.write(3, REPORT)
    os._exit(0)
