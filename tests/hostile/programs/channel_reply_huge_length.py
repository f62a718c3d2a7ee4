# mechanism: announces a reply of 2^64 bytes to an assert test, to make it allocate them
# stopped by: validation of messages: the length of a reply is limited
# mode: assert
# expect: failed
# tests: ['assert f(1) == 2', 'assert f(5) == 6', 'assert f([1, 2]) == 3']
import os
def f(x):
    while True: os.write(9, b"\xff" * 4096)
