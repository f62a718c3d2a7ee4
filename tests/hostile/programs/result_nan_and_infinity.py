# mode: call
# expect: failed
# cases: [(['nan'], 1.5), (['inf'], 1.5), (['inf'], 2)]
def f(x): return float(x)
