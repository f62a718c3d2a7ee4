# mechanism: returns NaN, to which comparisons of differences with a tolerance may say yes
# stopped by: assert tests in another process: where the statement itself compares
# mode: assert
# expect: failed
# tests: ['assert f(1) == 2', 'assert f(5) == 6', 'assert f([1, 2]) == 3']
def f(x): return float("nan")
