# mechanism: pickles a class of __main__, which fails if the program is not the module __main__
# stopped by: semantics of CPython
# mode: stdin
# expect: passed
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import pickle, dataclasses, __main__
@dataclasses.dataclass
class Point: x: int
assert pickle.loads(pickle.dumps(Point(1))) == Point(1) and __main__.Point is Point
print(int(input()) + 1)
