# mode: stdin
# expect: wrong_answer
# stdin: '5\n'
# out: '6\n'
import os
os.dup2(0, 1)
print(int(input()) + 1)
