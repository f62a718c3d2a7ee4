# mechanism: reports early and closes the control socket between two tests
# stopped by: validation of messages: it is judged by its exit status; comparison outside the sandbox
# mode: stdin
# expect: passed|failed
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import struct, os
REPORT = struct.pack("=BBq", 0, 0, 0)

import time
print(int(input()) + 1, flush=True)
os.write(3, REPORT)
time.sleep(0.1)
os.close(3)
time.sleep(0.1)
