# mechanism: raises SystemExit(0) from the attributes of an exception, while it is described
# stopped by: driver: the outcome is fixed before the exception is described
# mode: stdin
# expect: runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: '6\n'
class Meta(type):
    @property
    def __name__(cls): raise SystemExit(0)
class E(Exception, metaclass=Meta):
    @property
    def __class__(self): raise SystemExit(0)
    @property
    def args(self): raise SystemExit(0)
    @property
    def __traceback__(self): raise SystemExit(0)
print(int(input()) + 1, flush=True)
raise E
