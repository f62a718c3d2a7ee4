# mechanism: exits with status 0 from an exit handler, before the driver reports
# stopped by: comparison outside the sandbox: after status 0 the output is compared
# mode: stdin
# expect: wrong_answer|runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: '6\n'
import atexit, os
atexit.register(os._exit, 0)
print(7)
