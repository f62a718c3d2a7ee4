# mode: stdin
# expect: passed|wrong_answer|runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import gc, os
gc.callbacks.append(lambda *a: os._exit(0))
print(int(input()) + 1, flush=True)
