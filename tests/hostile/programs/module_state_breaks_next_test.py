# mechanism: leaves an attribute in a module, with which the same program fails its next test
# stopped by: fresh process: a changed module ends it
# mode: stdin
# expect: passed
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import math
assert not hasattr(math, "seen")
math.seen = True
print(int(input()) + 1)
