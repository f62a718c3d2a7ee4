# mechanism: returns a number where infinity is expected, whose tolerance would be infinite
# stopped by: comparison outside the sandbox: no finite number is close to infinity
# mode: call
# expect: failed
# args: [1]
# expected: 1e999
def f(x): return 7
