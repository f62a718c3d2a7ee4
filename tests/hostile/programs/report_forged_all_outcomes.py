# mechanism: writes reports with every number of an outcome, also unknown ones
# stopped by: validation of messages: unknown outcomes count as an early exit; comparison outside the sandbox
# mode: stdin
# expect: failed
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import struct, os
REPORT = struct.pack("=BBq", 0, 0, 0)

for outcome in range(256):
    try: os.write(3, struct.pack("=BBq", outcome, outcome, outcome))
    except OSError: break
