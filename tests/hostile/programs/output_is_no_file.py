# mode: stdin
# expect: RE|WA
# stdin: '5\n'
# out: '6\n'
import sys
sys.stdout = object()
