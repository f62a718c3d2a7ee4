# mechanism: raises StopIteration, which ends a loop of the test before it compares a value
# stopped by: assert tests in another process: it is raised there as RuntimeError
# mode: assert
# expect: failed
# tests: ['assert all(map(f, [1, 2, 3]))', 'assert list(map(f, [])) == []']
def f(x): raise StopIteration
