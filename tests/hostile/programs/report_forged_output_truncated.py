# mechanism: reports early and shortens its output while the server copies it
# stopped by: files of the server: the bytes that were copied count; comparison outside the sandbox
# mode: stdin
# expect: failed
# stdin: '5\n'
# out: '6\n'
# repeat: 5
import struct, os
REPORT = struct.pack("=BBq", 0, 0, 0)

os.ftruncate(1, 1 << 20)
os.write(3, REPORT)
while True:
    os.ftruncate(1, 1 << 20)
    os.ftruncate(1, 0)
