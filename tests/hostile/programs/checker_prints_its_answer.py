# mechanism: a checker prints the answer true and returns none, to answer for its check by its output
# stopped by: validation of messages: only the JSON texts true and false are a checker's decision
# mode: stdin
# expect: checker_failed
# stdin: ''
# out: '7'
# checker: 'def check(input, expected, output):\n    print("true", end="", flush=True)'
# repeat: 2
print(7)
