# mechanism: burns CPU time in several threads that hold no interpreter lock
# stopped by: time limits: CPU time is that of the whole process
# mode: stdin
# expect: time_limit
# stdin: '5\n'
# out: '6\n'
import threading, hashlib
def burn():
    while True: hashlib.pbkdf2_hmac("sha256", b"x", b"y", 10 ** 6)
for _ in range(2): threading.Thread(target=burn, daemon=True).start()
burn()
