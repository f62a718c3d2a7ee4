# mode: call
# expect: FAIL
# args: [1]
# expected: 2
def f(x):
    a = {}
    a["a"] = [a]
    return a
