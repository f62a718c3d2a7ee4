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
