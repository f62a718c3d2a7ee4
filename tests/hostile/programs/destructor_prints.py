# mode: stdin
# expect: passed
# stdin: '5\n'
# out: '6\n'
# repeat: 3
# note: an interpreter writes what is printed during finalisation
class Says:
    def __del__(self): print(6)
says = Says()
