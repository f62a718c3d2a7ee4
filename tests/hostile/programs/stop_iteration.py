# mode: assert
# expect: FAIL
# tests: ['assert all(map(f, [1, 2, 3]))', 'assert list(map(f, [])) == []']
# note: ends the loops of a test that never sees a value
def f(x): raise StopIteration
