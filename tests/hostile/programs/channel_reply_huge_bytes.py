# mechanism: replies to an assert test with one number that decodes to a terabyte of zeros
# stopped by: resource limits: on address space, which the process of the assert tests has as well
# mode: assert
# expect: failed
# tests: ['assert f(1) == 2', 'assert f(5) == 6', 'assert f([1, 2]) == 3']
import os
def f(x):
    data = '["value", {"bytes": 1000000000000}, [0], {"dict": []}]'.encode()
    while True: os.write(9, len(data).to_bytes(8, "little") + data)
