# mechanism: patches compile, exec, ast.parse and AssertionError, so that no assert is evaluated
# stopped by: assert tests in another process: what the program patches does not exist there
# mode: assert
# expect: failed
# tests: ['assert f(1) == 2', 'assert f(5) == 6', 'assert f([1, 2]) == 3']
import ast, builtins
ast.parse = lambda *a, **k: ast.Module(body=[], type_ignores=[])
builtins.compile = lambda *a, **k: (lambda: None).__code__
builtins.exec = builtins.eval = lambda *a, **k: None
builtins.AssertionError = type("E", (Exception,), {"__new__": lambda *a: 1 / 0})
def f(x): return 0
