# mode: assert
# expect: FAIL
# tests: ['assert f(1) == 2', 'assert f(5) == 6', 'assert f([1, 2]) == 3']
# tests: ['assert all(map(f, [1, 2, 3]))', 'assert not any(f(n) != n for n in [1])', 'assert list(map(f, [1])) == []']
# note: ends the loops of a test that never sees a value
def f(x): raise StopIteration
