# mechanism: sends itself SIGKILL by a timer, to look like a process that the kernel killed for its memory
# stopped by: a process per program: kill counters of the kernel tell whether memory ran out
# mode: stdin
# expect: memory_limit|runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: '6\n'
import ctypes, struct, time, os
timer_create, timer_settime = {"x86_64": (222, 223), "aarch64": (107, 110)}[os.uname().machine]
libc = ctypes.CDLL(None, use_errno=True)
timer = ctypes.c_int()
event = ctypes.create_string_buffer(struct.pack("qii48x", 0, 9, 0))
libc.syscall(timer_create, 1, event, ctypes.byref(timer))
libc.syscall(timer_settime, timer.value, 0, struct.pack("4q", 0, 0, 0, 1000000), 0)
time.sleep(9)
