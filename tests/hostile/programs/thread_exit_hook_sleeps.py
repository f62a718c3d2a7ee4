# mechanism: sleeps in an exit hook of threading, which runs before those of atexit
# stopped by: time limits: wall-clock time
# mode: stdin
# expect: time_limit|passed
# stdin: '5\n'
# out: '6\n'
import threading, time
threading._register_atexit(time.sleep, 99)
threading.Thread(target=time.sleep, args=(0.01,)).start()
print(int(input()) + 1)
