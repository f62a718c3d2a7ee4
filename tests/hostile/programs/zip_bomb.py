# mechanism: decompresses 600 MB of zeros from a small input
# stopped by: resource limits, time limits
# mode: stdin
# expect: memory_limit|time_limit
# stdin: '5\n'
# out: '6\n'
import zlib
packer = zlib.compressobj(9)
bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(600)) + packer.flush()
print(len(zlib.decompress(bomb)))
