# mode: stdin
# expect: runtime_error|forbidden|exited_early|process_limit|wrong_answer
# stdin: '5\n'
# out: '6\n'
import sys
sys.stdout = object()
