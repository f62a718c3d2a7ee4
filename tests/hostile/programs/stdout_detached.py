# mode: stdin
# expect: passed
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import codecs, sys
sys.stdout = codecs.getwriter("utf8")(sys.stdout.detach())
sys.stdout.write("%d\n" % (int(input()) + 1))
