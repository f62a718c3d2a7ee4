# mechanism: returns NaN and infinity, to which comparisons of differences with a tolerance may say yes
# stopped by: comparison outside the sandbox: only finite differences are within the tolerance
# mode: call
# expect: failed
# cases: [(['nan'], 1.5), (['inf'], 1.5), (['inf'], 2)]
def f(x): return float(x)
