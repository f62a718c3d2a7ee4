# mechanism: returns a subclass of str that equals everything
# stopped by: comparison outside the sandbox: of the JSON text of the result
# mode: call
# expect: failed
# args: [1]
# expected: 2
class Same(str):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __len__(self): return 1
def f(x): return Same('2')
