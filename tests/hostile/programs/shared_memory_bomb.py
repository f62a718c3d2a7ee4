# mechanism: allocates shared memory without end, which outlives its mapping
# stopped by: seccomp filter: no shared anonymous mappings
# mode: stdin
# expect: memory_limit|runtime_error|forbidden|exited_early|process_limit|output_limit
# stdin: '5\n'
# out: '6\n'
import mmap
maps = []
while True:
    one = mmap.mmap(-1, 1 << 24, flags=mmap.MAP_SHARED)
    for at in range(0, 1 << 24, 4096): one[at] = 1
    maps.append(one)
