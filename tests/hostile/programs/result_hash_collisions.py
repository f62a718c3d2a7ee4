# mode: assert
# expect: failed
# tests: ['assert f(1) == 2', 'assert f(5) == 6', 'assert f([1, 2]) == 3']
# note: the test process rebuilds the dict
def f(x): return {n * ((1 << 61) - 1): 0 for n in range(8000)}
