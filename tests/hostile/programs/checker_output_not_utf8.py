# mechanism: prints bytes that are not UTF-8, which a checker that accepts everything would accept
# stopped by: validation of messages: an output that cannot be decoded is a wrong answer
# mode: stdin
# expect: wrong_answer
# stdin: ''
# out: '7'
# checker: 'def check(input, expected, output):\n    return True'
# repeat: 3
import sys

sys.stdout.buffer.write(b"7\n\xff")
