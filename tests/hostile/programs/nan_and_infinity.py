# mode: call
# expect: FAIL
# args: [1]
# expected: 2
# cases: [(['nan'], 1.5), (['inf'], 1.5), (['inf'], 2)]
def f(x): return float(x)
