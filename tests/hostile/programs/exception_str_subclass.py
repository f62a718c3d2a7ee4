# mechanism: raises an exception whose text is a subclass of str with harmful methods
# stopped by: driver: it converts the text by the methods of str
# mode: stdin
# expect: runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: '6\n'
class Text(str):
    def __format__(self, how): raise MemoryError
    def __str__(self): raise SystemExit(0)
    def encode(self, *a): return 7
class E(Exception):
    def __str__(self): return Text("6")
raise E
