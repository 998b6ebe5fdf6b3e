"""Command prefixes under which system calls are refused, as on a kernel that does not have them.

    python3 system_calls.py NAME ERRNO PROGRAM...
"""
import ctypes
import os
import sys
from pathlib import Path

ALLOW, ERRNO = 0x7fff0000, 0x00050000     # SCMP_ACT_ALLOW, SCMP_ACT_ERRNO (seccomp_init(3))
OTHER_ARCHITECTURE, NO_NEW_PRIVILEGES = 2, 3   # SCMP_FLTATR_ACT_BADARCH, SCMP_FLTATR_CTL_NNP


def refusing(name, number):
    """What runs below it gets this error for this system call."""
    return [sys.executable, "-B", str(Path(__file__).resolve()), name, str(number)]


def refuse(name, number):
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    filter_ = ctypes.c_void_p(library.seccomp_init(ALLOW))
    library.seccomp_attr_set(filter_, OTHER_ARCHITECTURE, ALLOW)
    # Root needs no such promise, and what it starts may still become somebody else.
    library.seccomp_attr_set(filter_, NO_NEW_PRIVILEGES, os.geteuid() != 0)
    call = library.seccomp_syscall_resolve_name(name.encode())
    if call < 0 or library.seccomp_rule_add(filter_, ERRNO | number, call, 0) or library.seccomp_load(filter_):
        raise SystemExit(f"cannot refuse {name}")


if __name__ == "__main__":
    refuse(sys.argv[1], int(sys.argv[2]))
    os.execvp(sys.argv[3], sys.argv[3:])
