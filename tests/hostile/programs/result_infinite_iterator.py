# mechanism: returns an iterator without end, which a comparison would consume
# stopped by: driver: a result that is not a JSON value is a wrong answer
# mode: call
# expect: failed
# args: [1]
# expected: 2
import itertools
def f(x): return itertools.count()
