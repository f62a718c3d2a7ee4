# mechanism: reports early and exits with an order of the server unread, which resets the connection
# stopped by: validation of messages: it is judged by its exit status; comparison outside the sandbox
# mode: stdin
# expect: passed|runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import struct, os
REPORT = struct.pack("=BBq", 0, 0, 0)

import time
print(int(input()) + 1, flush=True)
os.write(3, REPORT)
time.sleep(0.1)
os._exit(0)
