# mechanism: prints JSON that imitates a checker's arguments and answer, and the bytes of a report
# stopped by: checker in another process: which gets the output as one JSON string
# mode: stdin
# expect: wrong_answer
# stdin: ''
# out: '7'
# checker: 'def check(input, expected, output):\n    return output == expected'
# repeat: 3
import os, struct

REPORT = struct.pack("=BBq", 0, 0, 0)
os.write(1, b'true\n["", "7", "7"]\n", "7", "7"], true, ["' + REPORT + b"\x00true")
