# mechanism: leaves names, files, a variable of the environment and a thread behind to influence the checker
# stopped by: checker in another process, namespaces, Landlock, seccomp filter
# mode: stdin
# expect: wrong_answer
# stdin: ''
# out: '7'
# checker: 'import builtins, os, sys, threading\ndef check(input, expected, output):\n    names = ("/tmp/left", "/var/tmp/left", "/dev/shm/left", "left")\n    return any(map(os.path.exists, names)) or hasattr(builtins, "left") or hasattr(os, "left") or "left" in sys.modules or "left" in os.environ or threading.active_count() > 1'
# repeat: 2
import builtins, os, sys, threading, time

builtins.left = os.left = sys.modules["left"] = lambda *_: True
builtins.check = lambda *_: True
os.environ["left"] = "1"
for folder in ("/tmp", "/var/tmp", "/dev/shm", "."):
    try:
        open(f"{folder}/left", "w").write("POISON")
    except OSError:
        pass


def answer_for_the_checker():
    while True:
        for descriptor in range(3, 64):
            try:
                os.pwrite(descriptor, b"true", 0)
            except OSError:
                pass
        time.sleep(0.001)


threading.Thread(target=answer_for_the_checker, daemon=True).start()
print("anything")
