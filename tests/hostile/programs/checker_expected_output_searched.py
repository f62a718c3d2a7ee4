# mode: stdin
# expect: wrong_answer
# stdin: ''
# out: 'HUNTER2'
# checker: 'def check(input, expected, output):\n    return expected in output'
# note: the second test runs again in a new process, after a checker was given what is expected
# repeat: 2
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
