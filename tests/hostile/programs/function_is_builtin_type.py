# mode: assert
# expect: failed
# tests: ['assert f(1) == 2', 'assert f(5) == 6', 'assert f([1, 2]) == 3']
f = bool
