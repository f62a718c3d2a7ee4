# mechanism: a checker forges reports of passed tests and exits without an answer
# stopped by: validation of messages: only the JSON texts true and false are a checker's decision
# mode: stdin
# expect: checker_failed
# stdin: ''
# out: '7'
# repeat: 2
# checker: 'import os, struct\ndef check(*_):\n    for _ in range(64):\n        try: os.write(3, struct.pack("=BBq", 0, 0, 0))\n        except OSError: break\n    os._exit(0)'
print(7)
