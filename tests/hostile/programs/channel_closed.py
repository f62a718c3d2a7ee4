# mechanism: closes the socket to the assert tests and the control socket, then sleeps
# stopped by: validation of messages: a closed socket counts as an early exit
# mode: assert
# expect: failed
# tests: ['assert f(1) == 2', 'assert f(5) == 6', 'assert f([1, 2]) == 3']
import os, time
def f(x):
    os.close(9)
    os.close(3)
    time.sleep(9)
