# mode: call
# expect: failed
# args: [1]
# expected: 2
def f(x):
    a = {}
    a["a"] = [a]
    return a
