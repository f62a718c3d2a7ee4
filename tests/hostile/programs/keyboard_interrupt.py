# mechanism: raises KeyboardInterrupt after a right output, which `except Exception` does not catch
# stopped by: driver: whatever is raised is the program's failure
# mode: stdin
# expect: runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: '6\n'
print(int(input()) + 1)
raise KeyboardInterrupt
