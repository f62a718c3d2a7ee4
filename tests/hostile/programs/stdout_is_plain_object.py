# mechanism: replaces sys.stdout by an object without methods, so that flushing it fails
# stopped by: semantics of CPython: it is skipped at the end
# mode: stdin
# expect: runtime_error|forbidden|exited_early|process_limit|wrong_answer
# stdin: '5\n'
# out: '6\n'
import sys
sys.stdout = object()
