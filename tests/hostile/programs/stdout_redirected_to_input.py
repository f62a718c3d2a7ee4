# mechanism: redirects its output to the input file
# stopped by: comparison outside the sandbox: of the output file only
# mode: stdin
# expect: wrong_answer
# stdin: '5\n'
# out: '6\n'
import os
os.dup2(0, 1)
print(int(input()) + 1)
