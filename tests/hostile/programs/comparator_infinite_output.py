# mode: stdin
# expect: wrong_answer
# stdin: '5\n'
# out: '1e999\n'
print(7.5)
