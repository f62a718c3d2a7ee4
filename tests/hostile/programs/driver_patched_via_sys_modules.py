# mechanism: patches the driver through sys.modules, so that exceptions count as passed
# stopped by: comparison outside the sandbox: what the driver reports does not replace the output
# mode: stdin
# expect: wrong_answer|runtime_error|forbidden|exited_early|process_limit|time_limit
# stdin: '5\n'
# out: '6\n'
import sys
drivers = sys.modules["codeplan_sandbox.drivers"]
drivers.classify = lambda error: drivers.Outcome.PASSED
drivers.run_stdin = drivers.serve = None
print(7)
raise ValueError
