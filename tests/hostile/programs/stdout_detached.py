# mechanism: detaches the buffer of sys.stdout and wraps it anew, so that the old object fails
# stopped by: semantics of CPython
# mode: stdin
# expect: passed
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import codecs, sys
sys.stdout = codecs.getwriter("utf8")(sys.stdout.detach())
sys.stdout.write("%d\n" % (int(input()) + 1))
