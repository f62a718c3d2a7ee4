# mechanism: prints a number where 1e999 is expected, whose tolerance would be infinite
# stopped by: comparison outside the sandbox: no finite number is close to infinity
# mode: stdin
# expect: wrong_answer
# stdin: '5\n'
# out: '1e999\n'
print(7.5)
