# mechanism: forks through int 0x80, which uses the 32-bit system call numbers
# stopped by: seccomp filter: a call by the 32-bit interface ends the process
# mode: stdin
# expect: failed
# stdin: '5\n'
# out: '6\n'
import ctypes, mmap
page = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=7)
page.write(bytes.fromhex("b802000000cd80c3"))
address = ctypes.addressof(ctypes.c_char.from_buffer(page))
child = ctypes.CFUNCTYPE(ctypes.c_int)(address)()
print("LEAK", child)
