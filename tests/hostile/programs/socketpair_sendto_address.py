# mechanism: sends to named sockets from a pair, whose datagram sockets can still name other addresses
# stopped by: seccomp filter: no sendmsg, and sendto only without an address
# mode: stdin
# expect: passed|runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: '6\n'
import socket
for address in ("/srv/judge/inbox", "\0judge-inbox", "/dev/log", "/run/systemd/notify"):
    try:
        a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        a.sendto(b"LEAK", address)
    except OSError: pass
    try: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendmsg([b"LEAK"], [], 0, address)
    except OSError: pass
print(int(input()) + 1)
