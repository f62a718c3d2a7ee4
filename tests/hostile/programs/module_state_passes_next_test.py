# mechanism: counts tests in an attribute of a module; in a process of its own every test would print 1
# stopped by: fresh process: a changed module ends it
# mode: stdin
# expect: failed
# cases: [('7\n', '1\n'), ('7\n', '2\n'), ('7\n', '3\n')]
import math
math.turn = getattr(math, "turn", 0) + 1
print(math.turn)
