# mechanism: replies to an assert test with integers where the changed arguments are due
# stopped by: assert tests in another process: an exception there fails the test
# mode: assert
# expect: failed
# tests: ['assert f(1) == 2', 'assert f(5) == 6', 'assert f([1, 2]) == 3']
import os
def f(x):
    data = '["value", 2, 7, 7]'.encode()
    while True: os.write(9, len(data).to_bytes(8, "little") + data)
