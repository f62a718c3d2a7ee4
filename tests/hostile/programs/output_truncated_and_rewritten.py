# mode: stdin
# expect: passed
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import sys, os
sys.stdout.write("nonsense that is taken back\n")
sys.stdout.flush()
os.lseek(1, 0, 0)
os.ftruncate(1, 0)
print(int(input()) + 1)
