# mode: stdin
# expect: FAIL
# stdin: '5\n'
# out: '6\n'
# cases: [('7\n', '1\n'), ('7\n', '2\n'), ('7\n', '3\n')]
# note: in a process of its own each test would see 1
import math
math.turn = getattr(math, "turn", 0) + 1
print(math.turn)
