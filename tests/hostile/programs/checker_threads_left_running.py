# mechanism: a checker returns while a thread of it is still running
# stopped by: checker in another process: it ends after its check, with all threads
# mode: stdin
# expect: passed
# stdin: ''
# out: '7'
# repeat: 2
# checker: 'import threading, time\ndef check(*_):\n    threading.Thread(target=time.sleep, args=(0.2,)).start()\n    return True'
print(7)
