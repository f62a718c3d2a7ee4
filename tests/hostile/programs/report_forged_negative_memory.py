# mechanism: reports a negative peak memory
# stopped by: validation of messages: a report with an implausible number counts as an early exit
# mode: stdin
# expect: passed|runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import struct, os
REPORT = struct.pack("=BBq", 0, 0, 0)
print(int(input()) + 1, flush=True)
os.write(3, struct.pack("=BBq", 0, 0, -1 << 63))
