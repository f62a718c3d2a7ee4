# mode: stdin
# expect: RE|SIG|MLE|TLE
# stdin: '5\n'
# out: '6\n'
import ast, sys
sys.setrecursionlimit(10 ** 8)
ast.literal_eval("-" * 10 ** 6 + "1")
