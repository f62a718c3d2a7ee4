# mechanism: patches the clocks of the module time, so that time seems to stand still
# stopped by: time limits: the fork server reads the kernel's clocks
# mode: stdin
# expect: time_limit
# stdin: '5\n'
# out: '6\n'
import time
start = time.time()
time.time = time.monotonic = time.perf_counter = time.process_time = lambda: start
while time.time() < start + 1: pass
