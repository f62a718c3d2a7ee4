# mechanism: returns a dict that contains itself, to make the encoder recurse
# stopped by: driver: a result that is not a JSON value is a wrong answer
# mode: call
# expect: failed
# args: [1]
# expected: 2
def f(x):
    a = {}
    a["a"] = [a]
    return a
