# mode: stdin
# expect: wrong_answer|runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: '6\n'
import atexit, os
atexit.register(os._exit, 0)
print(7)
