# mechanism: replies to an assert test with a list for the kind of the reply, which is not hashable
# stopped by: validation of messages: a reply of unknown kind ends the test
# mode: assert
# expect: failed
# tests: ['assert f(1) == 2', 'assert f(5) == 6', 'assert f([1, 2]) == 3']
import os
def f(x):
    data = '[[], 2]'.encode()
    while True: os.write(9, len(data).to_bytes(8, "little") + data)
