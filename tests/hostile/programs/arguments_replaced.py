# mode: assert
# expect: FAIL
# tests: ['assert f(1) == 2', 'assert f(5) == 6', 'assert f([1, 2]) == 3']
# tests: ['x = [1, 2]\nassert f(x) == 2', 'y = [2]\nassert f(y) == [2]']
def f(x):
    x[:] = [True] * 3
    return 0
