# mechanism: patches json, with which the driver writes the result of a call
# stopped by: comparison outside the sandbox: the judge parses the result itself
# mode: call
# expect: failed
# args: [1]
# expected: 2
import json, json.encoder
json.loads = lambda *a, **k: 2
json.dumps = lambda *a, **k: "2 "
class Text(str):
    def encode(self, *a): return b"no JSON"
json.dumps = lambda *a, **k: Text()
def f(x): return None
