# mechanism: a checker accepts the first output only, by state that it keeps between checks
# stopped by: fresh process: every check has its own
# mode: stdin
# expect: passed
# stdin: ''
# out: '7'
# checker: 'import math\nseen = []\ndef check(*_):\n    seen.append(1)\n    math.checks = getattr(math, "checks", 0) + 1\n    return len(seen) == math.checks == 1'
# repeat: 3
print(7)
