# mechanism: overwrites and truncates the input file, which the next test uses again
# stopped by: files of the server: they are emptied and rewound before each test
# mode: stdin
# expect: passed
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import os
n = int(input())
os.lseek(0, 0, 0)
os.write(0, b"evil" * 1000)
os.lseek(0, (1 << 62), 0)
try: os.ftruncate(4, 0)
except OSError: pass
print(n + 1)
