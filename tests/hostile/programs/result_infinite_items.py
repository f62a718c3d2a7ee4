# mechanism: returns a subclass of dict whose items never end, to make the JSON encoder loop
# stopped by: resource limits, time limits
# mode: call
# expect: failed
# args: [1]
# expected: 2
class Endless(dict):
    def __len__(self): return 9
    def items(self):
        while True: yield ("a", 1)
def f(x): return Endless(a=1)
