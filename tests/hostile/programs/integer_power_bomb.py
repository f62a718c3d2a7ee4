# mode: stdin
# expect: time_limit|memory_limit
# stdin: '5\n'
# out: '6\n'
print((10 ** 10 ** 9) % 7)
