# mechanism: a checker lists a private folder and writes to a file
# stopped by: namespaces, Landlock, seccomp filter
# mode: stdin
# expect: checker_failed
# stdin: ''
# out: '7'
# repeat: 2
# checker: 'import os\ndef check(*_):\n    os.listdir("/srv/judge/secret")\n    return open("/srv/judge/canary/keep", "w").write("x") == 1'
print(7)
