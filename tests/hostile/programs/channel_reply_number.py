# mechanism: replies to an assert test with a number in place of a list
# stopped by: validation of messages: a reply that is not a list ends the test
# mode: assert
# expect: failed
# tests: ['assert f(1) == 2', 'assert f(5) == 6', 'assert f([1, 2]) == 3']
import os
def f(x):
    data = '7'.encode()
    while True: os.write(9, len(data).to_bytes(8, "little") + data)
