# mechanism: hides code in a comment by declaring UTF-7
# stopped by: semantics of CPython: the source is compiled as bytes, with its declaration
# mode: stdin
# expect: passed|syntax_error|wrong_answer
# stdin: '5\n'
# out: '6\n'
# source: '# coding: utf-7\nn = int(input())\nprint(n + 1) #+AAo-print(7)'

