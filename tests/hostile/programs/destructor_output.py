# mode: stdin
# expect: OK
# stdin: '5\n'
# out: '6\n'
# repeat: 3
# note: an interpreter still writes what is printed while it ends
class Says:
    def __del__(self): print(6)
says = Says()
