# mechanism: mutates the arguments of a call in place, to change what the test compares
# stopped by: assert tests in another process: arguments and results are copies, expected values are not sent
# mode: assert
# expect: failed
# tests: ['x = [1, 2]\nassert f(x) == 2', 'y = [2]\nassert f(y) == [2]']
def f(x):
    x[:] = [True] * 3
    return 0
