# mechanism: returns a generator without end, which a comparison would consume
# stopped by: assert tests in another process: a generator is not plain data
# mode: assert
# expect: failed
# tests: ['assert f(1) == 2', 'assert f(5) == 6', 'assert f([1, 2]) == 3']
def f(x):
    while True: yield 2
