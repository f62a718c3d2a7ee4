# mode: assert
# expect: failed
# tests: ['assert all(map(f, [1, 2, 3]))', 'assert list(map(f, [])) == []']
# note: ends a loop of the test before it compares a value
def f(x): raise StopIteration
