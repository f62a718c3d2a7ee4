# mechanism: changes modes, times, names and contents of files that its user may own
# stopped by: seccomp filter: no call changes files by name; namespaces, user id
# mode: stdin
# expect: passed|runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: '6\n'
# note: Landlock does not cover modes and times
import os
for path in ("/srv/judge/canary/keep", "/home/judge/password", "/srv/judge/canary", "/tmp/secret", os.__file__):
    for attempt in (
        lambda: os.chmod(path, 0o600), lambda: os.utime(path, (0, 0)), lambda: os.truncate(path, 0),
        lambda: os.rename(path, path + "2"), lambda: os.link(path, path + "3"), lambda: os.chown(path, os.getuid(), -1),
        lambda: os.setxattr(path, "user.x", b"y"), lambda: os.mkfifo(path + "4"), lambda: os.symlink(path, path + "5"),
        lambda: os.mkdir(path + "6"), lambda: os.unlink(path), lambda: os.rmdir(path),
    ):
        try: attempt()
        except OSError: pass
print(int(input()) + 1)
