# mechanism: makes about 100 system calls by number, and calls of the x32 interface
# stopped by: seccomp filter
# mode: stdin
# expect: passed|runtime_error|forbidden|exited_early|process_limit
# stdin: '5\n'
# out: '6\n'
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
x86_64 = dict(execve=59, execveat=322, vfork=58, fork=57, clone3=435, kill=62, tkill=200, tgkill=234, setns=308, unshare=272,
    personality=135, modify_ldt=154, iopl=172, ioperm=173, sched_setaffinity=203, setpriority=141, sched_setscheduler=144,
    sched_setattr=314, prctl=157, mlock=149, mlockall=151, mq_open=240, inotify_init=253, inotify_init1=294,
    fanotify_init=300, name_to_handle_at=303, acct=163, swapon=167, syslog=103, migrate_pages=256, move_pages=279,
    get_mempolicy=239, set_mempolicy=238, mbind=237, setxattr=188, fsetxattr=190, sendmsg=46, recvmsg=47, sendmmsg=307,
    connect=42, bind=49, listen=50, accept=43, accept4=288, pidfd_open=434, pidfd_send_signal=424, pidfd_getfd=438,
    process_vm_writev=311, process_madvise=440, kcmp=312, mount_setattr=442, open_tree=428, move_mount=429, fsopen=430,
    fsmount=432, fspick=433, openat2=437, io_uring_enter=426, io_uring_register=427, landlock=444, seccomp=317,
    memfd_secret=447, process_mrelease=448, cachestat=451, map_shadow_stack=453, chroot=161, pivot_root=155, mount=165,
    umount2=166, reboot=169, sethostname=170, setdomainname=171, settimeofday=164, clock_settime=227, adjtimex=159,
    clock_adjtime=305, delete_module=176, finit_module=313, request_key=249, setuid=105, setgid=106, setresuid=117,
    setgroups=116, capset=126, ioprio_set=251, splice=275, tee=276, vmsplice=278, remap_file_pages=216, uselib=134,
    ustat=136, vhangup=153, nfsservctl=180, rt_sigqueueinfo=129, rt_tgsigqueueinfo=297, mknod=133, mknodat=259,
    chown=92, fchown=93, lchown=94, fchownat=260, creat=85, setsid=112, setpgid=109, shmat=30, shmctl=31, semop=65,
    msgsnd=69, io_setup=206, timerfd=999, statmount=457, listmount=458, lsm_set_self_attr=460, mseal=462)
aarch64 = dict(execve=221, execveat=281, clone3=435, kill=129, tkill=130, tgkill=131, setns=268, unshare=97,
    personality=92, sched_setaffinity=122, setpriority=140, sched_setscheduler=119, sched_setattr=274, prctl=167,
    mlock=228, mlockall=230, mq_open=180, inotify_init1=26, fanotify_init=262, name_to_handle_at=264, acct=89,
    swapon=224, syslog=116, migrate_pages=238, move_pages=239, get_mempolicy=236, set_mempolicy=237, mbind=235,
    setxattr=5, fsetxattr=7, sendmsg=211, recvmsg=212, sendmmsg=269, connect=203, bind=200, listen=201, accept=202,
    accept4=242, pidfd_open=434, pidfd_send_signal=424, pidfd_getfd=438, process_vm_writev=271, process_madvise=440,
    kcmp=272, mount_setattr=442, open_tree=428, move_mount=429, fsopen=430, fsmount=432, fspick=433, openat2=437,
    io_uring_enter=426, io_uring_register=427, landlock=444, seccomp=277, memfd_secret=447, process_mrelease=448,
    cachestat=451, map_shadow_stack=453, chroot=51, pivot_root=41, mount=40, umount2=39, reboot=142,
    sethostname=161, setdomainname=162, settimeofday=170, clock_settime=112, adjtimex=171, clock_adjtime=266,
    delete_module=106, finit_module=273, request_key=218, setuid=146, setgid=144, setresuid=147, setgroups=159,
    capset=91, ioprio_set=30, splice=76, tee=77, vmsplice=75, remap_file_pages=234, vhangup=58, nfsservctl=42,
    rt_sigqueueinfo=138, rt_tgsigqueueinfo=240, mknodat=33, fchown=55, fchownat=54, setsid=157, setpgid=154,
    shmat=196, shmctl=195, semop=193, msgsnd=189, io_setup=0, timerfd=999, statmount=457, listmount=458,
    lsm_set_self_attr=460, mseal=462)
calls = {"x86_64": x86_64, "aarch64": aarch64}[os.uname().machine]
bad = []
for name, number in calls.items():
    result = libc.syscall(number, 0, 0, 0, 0, 0, 0)
    if result != -1 or ctypes.get_errno() not in (1, 13, 38): bad.append((name, result, ctypes.get_errno()))
for number in (39, 57, 59, 520):  # the x32 interface of x86-64; elsewhere no calls
    result = libc.syscall(0x40000000 | number, 0, 0, 0, 0, 0, 0)
    if result != -1: bad.append(("x32", number, result))
assert not bad, "LEAK " + str(bad)
print(int(input()) + 1)
