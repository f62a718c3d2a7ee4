# mechanism: creates timers until the kernel refuses, as they count against a limit of the user
# stopped by: a process per program: its timers end with it; user id
# mode: stdin
# expect: passed|runtime_error|forbidden|exited_early|process_limit|time_limit
# stdin: '5\n'
# out: '6\n'
import ctypes, os
timer_create = {"x86_64": 222, "aarch64": 107}[os.uname().machine]
libc = ctypes.CDLL(None, use_errno=True)
timer = ctypes.c_int()
made = 0
while libc.syscall(timer_create, 1, None, ctypes.byref(timer)) == 0: made += 1
print(int(input()) + 1)
