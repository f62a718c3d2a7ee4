# mechanism: raises GeneratorExit and a class named SystemExit, which end a test without failing it
# stopped by: assert tests in another process: exceptions cross as the built-in Exception of their name
# mode: assert
# expect: failed
# tests: ['assert f(1) == 2', 'assert f(5) == 6', 'assert f([1, 2]) == 3']
def f(x):
    raise (KeyError if x == 1 else type("SystemExit", (Exception,), {}) if x == 5 else GeneratorExit)
