# mechanism: changes priorities, CPU affinity, session and attributes of its process, by prctl and others
# stopped by: seccomp filter
# mode: stdin
# expect: passed|runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: '6\n'
import ctypes, os, resource
libc = ctypes.CDLL(None, use_errno=True)
done = [n for n, a in ((1, 0), (4, 1), (22, 1), (23, 0), (38, 0), (0x59616d61, -1), (35, 1), (36, 1), (47, 2)) if libc.prctl(n, a, 0, 0, 0) == 0]
for attempt in (lambda: os.nice(-5), lambda: os.sched_setaffinity(0, {0}), lambda: os.setpriority(0, 0, 19), lambda: os.setsid()):
    try: attempt(); done.append(attempt)
    except OSError: pass
assert not done, "LEAK " + str(done)
print(int(input()) + 1)
