# mechanism: stops itself by a timer, so that it neither ends nor uses CPU time
# stopped by: time limits: wall-clock time
# mode: stdin
# expect: time_limit
# stdin: '5\n'
# out: '6\n'
import ctypes, struct, time, os
timer_create, timer_settime = {"x86_64": (222, 223), "aarch64": (107, 110)}[os.uname().machine]
libc = ctypes.CDLL(None, use_errno=True)
timer = ctypes.c_int()
event = ctypes.create_string_buffer(struct.pack("qii48x", 0, 19, 0))
libc.syscall(timer_create, 1, event, ctypes.byref(timer))
libc.syscall(timer_settime, timer.value, 0, struct.pack("4q", 0, 0, 0, 1000000), 0)
time.sleep(9)
