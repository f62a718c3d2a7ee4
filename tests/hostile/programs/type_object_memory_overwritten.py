# mode: stdin
# expect: runtime_error|forbidden|exited_early|process_limit|wrong_answer
# stdin: '5\n'
# out: '6\n'
import ctypes, sys
ctypes.memset(id(int), 0, 64)
print(int(input()) + 1)
