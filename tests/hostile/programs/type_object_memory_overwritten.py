# mechanism: overwrites the type int in the interpreter's memory
# stopped by: a process per program: its crash is its outcome
# mode: stdin
# expect: runtime_error|forbidden|exited_early|process_limit|wrong_answer
# stdin: '5\n'
# out: '6\n'
import ctypes, sys
ctypes.memset(id(int), 0, 64)
print(int(input()) + 1)
