# mechanism: clears and breaks the registry of codecs after its output, to break the next test in the process
# stopped by: fresh process: a failure in a used process is repeated in a new one
# mode: stdin
# expect: passed
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import codecs, encodings
n = int(input())
print(n + 1)
codecs.register(lambda name: 1 / 0)
encodings.search_function = None
encodings._cache.clear()
codecs.lookup = None
