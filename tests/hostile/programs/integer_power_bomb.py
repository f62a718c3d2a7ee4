# mechanism: computes an integer of a billion digits in one operation that handles no signals
# stopped by: time limits, resource limits
# mode: stdin
# expect: time_limit|memory_limit
# stdin: '5\n'
# out: '6\n'
print((10 ** 10 ** 9) % 7)
