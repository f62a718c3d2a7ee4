# mode: call
# expect: failed
# args: [1]
# expected: 2
import itertools
def f(x): return itertools.count()
