# mechanism: returns a dict whose keys all have the same hash, which the test process rebuilds
# stopped by: time limits: the time of the process of the assert tests counts as well
# mode: assert
# expect: failed
# tests: ['assert f(1) == 2', 'assert f(5) == 6', 'assert f([1, 2]) == 3']
def f(x): return {n * ((1 << 61) - 1): 0 for n in range(8000)}
