# mechanism: opens sockets and pairs of every family and type
# stopped by: seccomp filter
# mode: stdin
# expect: passed|runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: '6\n'
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
made = []
for family in range(48):
    for kind in (1, 2, 3, 5):
        if libc.socket(family, kind, 0) >= 0: made.append(("socket", family, kind))
        if family != 1 and libc.socketpair(family, kind, 0, (ctypes.c_int * 2)()) == 0: made.append(("pair", family, kind))
assert not made, "LEAK " + str(made)
print(int(input()) + 1)
