# mechanism: installs an audit hook that raises in every audited operation of the driver
# stopped by: validation of messages: the driver's error in place of a report counts as an early exit
# mode: stdin
# expect: passed|runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import sys
def hook(event, arguments): raise BaseException(event)
print(int(input()) + 1, flush=True)
sys.addaudithook(hook)
