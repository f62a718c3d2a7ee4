# mode: stdin
# expect: passed|runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import sys
def hook(event, arguments): raise BaseException(event)
print(int(input()) + 1, flush=True)
sys.addaudithook(hook)
