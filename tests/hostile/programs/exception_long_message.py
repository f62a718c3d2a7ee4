# mechanism: raises an exception with a text of 50 MB, to exhaust the memory of what logs it
# stopped by: driver: 500 bytes of the text are kept
# mode: stdin
# expect: runtime_error|forbidden|exited_early|process_limit|memory_limit
# stdin: '5\n'
# out: '6\n'
raise ValueError("x" * 50000000)
