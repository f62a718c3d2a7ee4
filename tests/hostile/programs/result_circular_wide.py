# mechanism: returns a list that contains itself ten times, to make the encoder take exponential time
# stopped by: assert tests in another process: plain data is at most 200 deep, and encoding stops there
# mode: assert
# expect: failed
# tests: ['assert f(1) == 2', 'assert f(5) == 6', 'assert f([1, 2]) == 3']
def f(x):
    a = []
    a.extend([a] * 10)
    return a
