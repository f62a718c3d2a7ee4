# mechanism: exits with status 0 from a profile function when the driver reports
# stopped by: comparison outside the sandbox: after status 0 the output is compared
# mode: stdin
# expect: failed
# stdin: '5\n'
# out: '6\n'
# repeat: 3
import sys, os
def profile(frame, event, argument):
    if frame.f_code.co_name == "report": os._exit(0)
sys.setprofile(profile)
print(7)
