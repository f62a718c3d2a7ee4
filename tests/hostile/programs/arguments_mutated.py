# mode: assert
# expect: failed
# tests: ['x = [1, 2]\nassert f(x) == 2', 'y = [2]\nassert f(y) == [2]']
def f(x):
    x[:] = [True] * 3
    return 0
