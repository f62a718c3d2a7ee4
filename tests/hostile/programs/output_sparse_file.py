# mechanism: makes its output a sparse file of a terabyte
# stopped by: resource limits: on the size of files
# mode: stdin
# expect: wrong_answer|output_limit|runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: '6\n'
import os
os.ftruncate(1, 1 << 20)
os.ftruncate(1, 1 << 40)
