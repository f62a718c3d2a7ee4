# mechanism: takes its output back by truncating the file, which a pipe would not allow
# stopped by: files of the server: the output is read when the test has ended
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
