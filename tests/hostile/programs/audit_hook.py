# mode: stdin
# expect: OK|RE
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import sys
def hook(event, arguments): raise BaseException(event)
print(int(input()) + 1, flush=True)
sys.addaudithook(hook)
