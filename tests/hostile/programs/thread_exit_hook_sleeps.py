# mode: stdin
# expect: time_limit|passed
# stdin: '5\n'
# out: '6\n'
import threading, time
threading._register_atexit(time.sleep, 99)
threading.Thread(target=time.sleep, args=(0.01,)).start()
print(int(input()) + 1)
