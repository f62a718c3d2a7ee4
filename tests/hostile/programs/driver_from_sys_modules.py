# mode: stdin
# expect: WA|RE|TLE
# stdin: '5\n'
# out: '6\n'
import sys
drivers = sys.modules["codeplan_sandbox.drivers"]
drivers.classify = lambda error: drivers.Outcome.PASSED
drivers.run_stdin = drivers.serve = None
print(7)
raise ValueError
