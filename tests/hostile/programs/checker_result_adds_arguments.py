# mechanism: forges a call's result so that it closes the list of the checker's arguments and adds others
# stopped by: validation of messages: a result that is not one JSON value is a wrong answer
# mode: call
# expect: wrong_answer
# args: [1]
# expected: 2
# checker: 'def check(args, expected, returned, *more):\n    return expected == returned or bool(more)'
# repeat: 3
import os, struct

REPORT = struct.pack("=BBq", 0, 0, 0)


def f(x):
    os.pwrite(6, b"1],[2],2,2", 0)
    os.write(3, REPORT)
    os._exit(0)
