# mechanism: replies to an assert test with a set that contains a list, which is not hashable
# stopped by: validation of messages: a reply that cannot be decoded ends the test
# mode: assert
# expect: failed
# tests: ['assert f(1) == 2', 'assert f(5) == 6', 'assert f([1, 2]) == 3']
import os
def f(x):
    data = '["value", {"set": [[1]]}, [0], {"dict": []}]'.encode()
    while True: os.write(9, len(data).to_bytes(8, "little") + data)
