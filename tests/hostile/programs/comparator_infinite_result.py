# mode: call
# expect: failed
# args: [1]
# expected: 1e999
# note: no finite number is close to infinity
def f(x): return 7
