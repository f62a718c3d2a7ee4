# mechanism: searches descriptors, frames and objects for the expected output that a checker was given
# stopped by: checker in another process: another one than the program's, which does not get the expected output
# mode: stdin
# expect: wrong_answer
# stdin: ''
# out: 'HUNTER2'
# checker: 'def check(input, expected, output):\n    return expected in output'
# repeat: 2
# note: the second test runs again in a new process, after a checker was given what is expected
import gc, os, sys

found = []
for descriptor in range(64):
    try:
        found.append(os.pread(descriptor, 1 << 20, 0))
    except OSError:
        pass
frame = sys._getframe()
while frame:
    found.extend(frame.f_locals.values())
    frame = frame.f_back
for item in gc.get_objects():
    if isinstance(item, (list, tuple, set)) and item is not found:
        found.extend(part for part in item if isinstance(part, (str, bytes)))
word = bytes([72, 85, 78, 84, 69, 82, 50])
if any(word in part if isinstance(part, bytes) else word.decode() in part for part in found if isinstance(part, (str, bytes))):
    print(word.decode())
print("done")
