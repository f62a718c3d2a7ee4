# mechanism: finalises the interpreter while the driver still uses it
# stopped by: a process per program: its crash is its outcome
# mode: stdin
# expect: passed|runtime_error|forbidden|exited_early|process_limit|wrong_answer
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import ctypes
print(int(input()) + 1, flush=True)
ctypes.pythonapi.Py_FinalizeEx()
