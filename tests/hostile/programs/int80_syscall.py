# mode: stdin
# expect: failed
# stdin: '5\n'
# out: '6\n'
# note: fork through int 0x80, which uses the 32-bit system call numbers
import ctypes, mmap
page = mmap.mmap(-1, 4096, prot=7)
page.write(bytes.fromhex("b802000000cd80c3"))
address = ctypes.addressof(ctypes.c_char.from_buffer(page))
child = ctypes.CFUNCTYPE(ctypes.c_int)(address)()
print("LEAK", child)
