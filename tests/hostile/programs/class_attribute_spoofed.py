# mechanism: returns an object that claims to be an int by __class__ and equals everything
# stopped by: assert tests in another process: the real type decides whether a value is plain data
# mode: assert
# expect: failed
# tests: ['assert f(1) == 2', 'assert f(5) == 6', 'assert f([1, 2]) == 3']
class Lie:
    __class__ = int
    def __eq__(self, other): return True
    def __index__(self): return 2
    __int__ = __hash__ = __index__
def f(x): return Lie()
