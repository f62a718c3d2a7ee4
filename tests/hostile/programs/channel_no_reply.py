# mode: assert
# expect: failed
# tests: ['assert f(1) == 2']
import time
def f(x): time.sleep(99)
