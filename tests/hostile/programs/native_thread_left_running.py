# mechanism: leaves a thread behind that Python does not know
# stopped by: a process per program: it is killed after its tests, with all threads
# mode: stdin
# expect: passed|runtime_error|forbidden|exited_early|process_limit|time_limit
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import ctypes
libc = ctypes.CDLL(None)
thread = ctypes.c_ulong()
libc.pthread_create(ctypes.byref(thread), None, libc.pause, None)
libc.pthread_create(ctypes.byref(thread), None, libc.abort, None) if int(input()) == 4 else None
print(6)
