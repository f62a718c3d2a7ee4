# mechanism: overflows the C stack of Python's parser by nested source, without a recursion limit
# stopped by: a process per program: its crash is its outcome
# mode: stdin
# expect: runtime_error|forbidden|exited_early|process_limit|memory_limit|time_limit
# stdin: '5\n'
# out: '6\n'
import ast, sys
sys.setrecursionlimit(10 ** 8)
ast.literal_eval("-" * 10 ** 6 + "1")
