# mode: stdin
# expect: RE|MLE
# stdin: '5\n'
# out: '6\n'
raise ValueError("x" * 50000000)
