# mode: stdin
# expect: WA|OLE|RE
# stdin: '5\n'
# out: '6\n'
import os
os.ftruncate(1, 1 << 20)
os.ftruncate(1, 1 << 40)
