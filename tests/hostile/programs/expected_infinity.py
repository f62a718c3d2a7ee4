# mode: call
# expect: FAIL
# args: [1]
# expected: 2
# expected: 1e999
# note: nothing finite is near to infinity
def f(x): return 7
