# mode: stdin
# expect: OK|RE
# stdin: '5\n'
# out: '6\n'
# repeat: 3
# note: is gone with an order unread
import struct, os
REPORT = struct.pack("=BBq", 0, 0, 0)

import time
print(int(input()) + 1, flush=True)
os.write(3, REPORT)
time.sleep(0.1)
os._exit(0)
