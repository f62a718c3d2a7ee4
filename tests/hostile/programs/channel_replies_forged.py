# mechanism: queues forged replies on the socket to the assert tests before they send a request
# stopped by: validation of messages: a reply with a wrong number of parts ends the test
# mode: assert
# expect: failed
# tests: ['assert f(1) == 2', 'assert f(5) == 6', 'assert f([1, 2]) == 3']
import json, os
def say(value):
    data = json.dumps(value).encode()
    os.write(9, len(data).to_bytes(8, "little") + data)
for _ in range(9): say(["value", {"type": "bool"}, [], {"dict": []}])
def f(x): os._exit(0)
