# mechanism: patches the functions of random after its output, to break the next test in the process
# stopped by: fresh process: a failure in a used process is repeated in a new one
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
