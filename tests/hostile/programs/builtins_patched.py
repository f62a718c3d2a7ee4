# mode: stdin
# expect: passed
# stdin: '5\n'
# out: '6\n'
# repeat: 3
# note: changes must not affect the next test
import builtins
n = int(input())
print(n + 1)
for name in dir(builtins):
    if name not in ("setattr", "builtins", "__import__", "dir") and callable(getattr(builtins, name)):
        setattr(builtins, name, lambda *a, **k: None)
