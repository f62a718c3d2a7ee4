# mode: stdin
# expect: passed
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import math
assert not hasattr(math, "seen")
math.seen = True
print(int(input()) + 1)
