# mechanism: prints from a destructor during finalisation, which is lost if a harness finalises nothing
# stopped by: semantics of CPython
# mode: stdin
# expect: passed
# stdin: '5\n'
# out: '6\n'
# repeat: 3
class Says:
    def __del__(self): print(6)
says = Says()
