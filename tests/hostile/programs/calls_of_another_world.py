# mode: stdin
# expect: RE|SIG|FAIL
# stdin: '5\n'
# out: '6\n'
# note: fork by int 0x80, whose numbers mean other calls
import ctypes, mmap
page = mmap.mmap(-1, 4096, prot=7)
page.write(bytes.fromhex("b802000000cd80c3"))
address = ctypes.addressof(ctypes.c_char.from_buffer(page))
child = ctypes.CFUNCTYPE(ctypes.c_int)(address)()
print("LEAK", child)
