# mechanism: defines its function as a built-in type, which the test process gets as itself
# stopped by: assert tests in another process: the result of the type is compared there
# mode: assert
# expect: failed
# tests: ['assert f(1) == 2', 'assert f(5) == 6', 'assert f([1, 2]) == 3']
f = bool
