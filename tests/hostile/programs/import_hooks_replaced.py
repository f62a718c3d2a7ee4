# mode: stdin
# expect: passed
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import sys, builtins
class Finder:
    def find_spec(self, *a): raise SystemExit(1)
n = int(input())
print(n + 1)
sys.meta_path[:] = [Finder()]
sys.path[:] = []
sys.modules.pop("heapq", None)
builtins.__import__ = None
