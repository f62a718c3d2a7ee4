# mode: stdin
# expect: passed
# stdin: ''
# out: '7'
# repeat: 2
# checker: 'import threading, time\ndef check(*_):\n    threading.Thread(target=time.sleep, args=(0.2,)).start()\n    return True'
print(7)
