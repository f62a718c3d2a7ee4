# mechanism: never answers a call of an assert test
# stopped by: time limits: wall-clock time, as it uses no CPU time
# mode: assert
# expect: failed
# tests: ['assert f(1) == 2']
import time
def f(x): time.sleep(99)
