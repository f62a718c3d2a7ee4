# mode: stdin
# expect: passed
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import random
n = int(input())
random.seed = lambda *a: None
value = random.random()
random.random = lambda: 0.5
random._inst.random = None
print(n + 1)
