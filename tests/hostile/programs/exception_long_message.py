# mode: stdin
# expect: runtime_error|forbidden|exited_early|process_limit|memory_limit
# stdin: '5\n'
# out: '6\n'
raise ValueError("x" * 50000000)
