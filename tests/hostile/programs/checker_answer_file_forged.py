# mechanism: a checker writes more than an answer to the answer file and forges the report of its end
# stopped by: validation of messages: only the JSON texts true and false are a checker's decision
# mode: stdin
# expect: checker_failed
# stdin: ''
# out: '7'
# repeat: 2
# checker: 'import os, struct\ndef check(*_):\n    os.pwrite(6, b"true " * 100, 0)\n    os.write(3, struct.pack("=BBq", 0, 0, 0))\n    os._exit(0)'
print(7)
