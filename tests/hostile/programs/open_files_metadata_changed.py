# mechanism: changes modes, times, owners, leases and flags of files by their descriptors
# stopped by: seccomp filter: no fchmod, fchown, utimensat; namespaces: read-only mounts; user id
# mode: stdin
# expect: passed|runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: '6\n'
import fcntl, os
for path in (os.__file__, "/usr/bin/env", "/dev/null", "/srv/judge/canary/keep"):
    try: fd = os.open(path, os.O_RDONLY)
    except OSError: continue
    for attempt in (
        lambda: os.fchmod(fd, 0), lambda: os.utime(fd, (0, 0)), lambda: os.ftruncate(fd, 0),
        lambda: os.fchown(fd, os.getuid(), -1), lambda: fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK),
        lambda: fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB), lambda: fcntl.ioctl(fd, 0x40086602, b"\0" * 8),
        lambda: fcntl.ioctl(fd, 0x40087602, b"\1" * 8),
    ):
        try: attempt()
        except (OSError, ValueError): pass
print(int(input()) + 1)
