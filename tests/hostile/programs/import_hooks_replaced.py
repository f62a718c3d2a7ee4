# mechanism: replaces import hooks, sys.path and __import__ after its output, to break the next test
# stopped by: fresh process: changed built-in names end it
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
