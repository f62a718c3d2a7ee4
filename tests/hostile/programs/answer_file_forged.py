# mechanism: writes the right result to the answer file and exits before its function is called
# stopped by: validation of messages: a call that ends without a report has exited early
# mode: call
# expect: runtime_error|forbidden|exited_early|process_limit
# args: [1]
# expected: 2
import os
os.pwrite(6, b"2", 0)
os._exit(0)
