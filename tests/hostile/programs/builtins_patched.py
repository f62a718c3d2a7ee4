# mechanism: replaces all built-in functions after its output, to break the next test in the process
# stopped by: fresh process: changed built-in names end it; driver: its modules use a copy of the names
# mode: stdin
# expect: passed
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import builtins
n = int(input())
print(n + 1)
for name in dir(builtins):
    if name not in ("setattr", "builtins", "__import__", "dir") and callable(getattr(builtins, name)):
        setattr(builtins, name, lambda *a, **k: None)
