# mechanism: raises SystemExit(0) from the attributes of an exception in a call, while it is described
# stopped by: driver: it reads the real type, and what it cannot describe has failed
# mode: assert
# expect: failed
# tests: ['assert f(1) == 2', 'assert f(5) == 6', 'assert f([1, 2]) == 3']
class Meta(type):
    @property
    def __name__(cls): raise SystemExit(0)
class E(Exception, metaclass=Meta):
    def __str__(self): raise SystemExit(0)
    @property
    def __class__(self): raise SystemExit(0)
def f(x): raise E
