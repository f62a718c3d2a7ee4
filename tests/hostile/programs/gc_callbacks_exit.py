# mechanism: exits with status 0 from a callback of the garbage collector during finalisation
# stopped by: comparison outside the sandbox: after status 0 the output is compared
# mode: stdin
# expect: passed|wrong_answer|runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import gc, os
gc.callbacks.append(lambda *a: os._exit(0))
print(int(input()) + 1, flush=True)
