# mode: stdin
# expect: WA|RE
# stdin: '5\n'
# out: '6\n'
import atexit, os
atexit.register(os._exit, 0)
print(7)
