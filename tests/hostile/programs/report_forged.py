# mechanism: writes reports of passed tests to the control socket
# stopped by: comparison outside the sandbox: a report only says that the program ran to its end
# mode: stdin
# expect: wrong_answer|runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import struct, os
REPORT = struct.pack("=BBq", 0, 0, 0)
print(7, flush=True)
os.write(3, REPORT)
os.write(3, REPORT)
