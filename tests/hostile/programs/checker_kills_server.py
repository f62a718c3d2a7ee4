# mechanism: a checker sends SIGKILL to the fork server and to all processes
# stopped by: seccomp filter
# mode: stdin
# expect: checker_failed
# stdin: ''
# out: '7'
# repeat: 2
# checker: 'import os\ndef check(*_):\n    os.kill(os.getppid(), 9)\n    os.kill(-1, 9)'
print(7)
