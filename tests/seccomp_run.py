"""Loads an OCI seccomp profile by libseccomp, as container runtimes do, and becomes a command.

    python seccomp_run.py PROFILE.json REMOVED COMMAND ...

REMOVED: calls, separated by commas, that are taken out of the profile first; "-" for none. As in a restricted pod,
no_new_privs is set: libseccomp does so before it loads a filter.
"""

import ctypes
import errno
import json
import os
import sys
from pathlib import Path

ARCHITECTURES = {"SCMP_ARCH_X86_64": 0xC000003E, "SCMP_ARCH_AARCH64": 0xC00000B7}
COMPARISONS = {"SCMP_CMP_EQ": 4, "SCMP_CMP_MASKED_EQ": 7}


class Comparison(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def action(name, number):
    return 0x7FFF0000 if name == "SCMP_ACT_ALLOW" else 0x00050000 | number


def build(library, profile, removed):
    """The profile as a filter of libseccomp, for all its architectures and this machine's."""
    library.seccomp_init.restype = ctypes.c_void_p
    default = action(profile["defaultAction"], profile["defaultErrnoRet"])
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(default)))
    for name in profile["architectures"]:
        status = library.seccomp_arch_add(context, ctypes.c_uint32(ARCHITECTURES[name]))
        assert status in (0, -errno.EEXIST), (name, os.strerror(-status))
    for rule in profile["syscalls"]:
        chosen = action(rule["action"], rule.get("errnoRet", 1))
        if chosen == default:
            continue  # libseccomp refuses rules that say what holds anyway; runtimes skip them too
        comparisons = [
            Comparison(arg["index"], COMPARISONS[arg["op"]], arg["value"], arg.get("valueTwo", 0))
            for arg in rule.get("args", [])
        ]
        for name in set(rule["names"]) - removed:
            number = library.seccomp_syscall_resolve_name(name.encode())
            if number < 0:
                continue  # a call that this libseccomp does not know or that has no number here
            packed = (Comparison * len(comparisons))(*comparisons)
            status = library.seccomp_rule_add_array(context, ctypes.c_uint32(chosen), number, len(comparisons), packed)
            assert status == 0, (name, os.strerror(-status))
    return context


def load(profile, removed):
    library = ctypes.CDLL("libseccomp.so.2")
    status = library.seccomp_load(build(library, profile, removed))
    assert status == 0, os.strerror(-status)


if __name__ == "__main__":
    with Path(sys.argv[1]).open() as file:
        load(json.load(file), set(sys.argv[2].split(",")))
    os.execv(sys.argv[3], sys.argv[3:])
