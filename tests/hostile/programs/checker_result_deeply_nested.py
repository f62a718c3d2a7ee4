# mechanism: forges a call's result nested 500 deep, so that the checker fails in place of the program
# stopped by: validation of messages: the judge limits the depth of results before it asks the checker
# mode: call
# expect: wrong_answer
# args: [1]
# expected: 2
# checker: 'def check(args, expected, returned):\n    return expected == returned'
# repeat: 3
import os, struct

REPORT = struct.pack("=BBq", 0, 0, 0)


def f(x):
    os.pwrite(6, b"[" * 500 + b"]" * 500, 0)
    os.write(3, REPORT)
    os._exit(0)
