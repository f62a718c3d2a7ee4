# mechanism: replaces the modules in sys.modules and some functions, to break the next test
# stopped by: fresh process: a failure in a used process is repeated in a new one
# mode: stdin
# expect: passed
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import sys, types
n = int(input())
import math, heapq, json, os
assert math.floor(1.5) == 1 and json.loads("1") == 1 and heapq.heappop([1]) == 1
print(n + 1, flush=True)
for name in list(sys.modules):
    if name not in ("builtins", "sys") and not name.startswith("codeplan"): sys.modules[name] = types.ModuleType(name)
math.floor = json.loads = heapq.heappop = lambda *a: 0
