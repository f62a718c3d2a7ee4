# mechanism: claims that its function is a module, for which an assert test imports one of that name
# stopped by: assert tests in another process: only standard modules are imported, other names stay proxies
# mode: assert
# expect: failed
# tests: ['assert f(1) == 2', 'assert f(5) == 6', 'assert f([1, 2]) == 3']
import os
def f(x):
    data = '["unseparable", "module"]'.encode()
    while True: os.write(9, len(data).to_bytes(8, "little") + data)
