# mechanism: creates pipes, devices, links, folders and unnamed files in folders that may be writable
# stopped by: seccomp filter, namespaces, Landlock
# mode: stdin
# expect: passed|runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: '6\n'
import os, stat, tempfile
for place in (".", "/tmp", "/dev/shm", "/var/tmp", "/run", "/home/judge", "/srv/judge"):
    for attempt in (
        lambda p: os.mkfifo(p), lambda p: os.mknod(p, 0o600 | stat.S_IFCHR, os.makedev(1, 3)),
        lambda p: os.mknod(p, 0o600 | stat.S_IFBLK, os.makedev(254, 0)), lambda p: os.symlink("/etc/passwd", p),
        lambda p: os.link("/etc/passwd", p), lambda p: os.mkdir(p), lambda p: os.open(p, os.O_TMPFILE | os.O_RDWR),
        lambda p: tempfile.mkstemp(dir=os.path.dirname(p)),
    ):
        try: attempt(f"{place}/evil")
        except OSError: pass
print(int(input()) + 1)
