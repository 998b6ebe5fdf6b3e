#!/usr/bin/python3
"""Runs a command and kills it in front of one system call: kill_at.py N COMMAND... or kill_at.py N:CALL COMMAND...

Counted are the calls that change something (and those around them), or only those named CALL, in all processes and
threads of the command, from the moment on that one of them has asked for the lock of the staging directory. In front of
the Nth, the process that is about to make it gets SIGKILL. Ends with 99 when the command ended before that, with 97 when ptrace is not allowed.
"""
import ctypes
import os
import signal
import sys

TRACEME, SETOPTIONS, SYSCALL, GET_SYSCALL_INFO = 0, 0x4200, 24, 0x420e
OPTIONS = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x100000  # system calls are told apart; forks, threads, exec; nobody outlives us
AT_SYSTEM_CALL = signal.SIGTRAP | 0x80
ENTRY = 1
WALL = 0x40000000
F_OFD_SETLK = 37
X86_64, AARCH64 = 0xc000003e, 0xc00000b7
FCNTL = {X86_64: 72, AARCH64: 25}
COUNTED = {
    X86_64: {1: "write", 3: "close", 18: "pwrite64", 44: "sendto", 74: "fsync", 91: "fchmod", 93: "fchown",
             190: "fsetxattr", 257: "openat", 258: "mkdirat", 263: "unlinkat", 265: "linkat", 277: "sync_file_range",
             306: "syncfs", 316: "renameat2", 437: "openat2"},
    AARCH64: {64: "write", 57: "close", 68: "pwrite64", 206: "sendto", 82: "fsync", 52: "fchmod", 55: "fchown",
              7: "fsetxattr", 56: "openat", 34: "mkdirat", 35: "unlinkat", 37: "linkat", 84: "sync_file_range",
              267: "syncfs", 276: "renameat2", 437: "openat2"},
}


class SyscallInfo(ctypes.Structure):
    """struct ptrace_syscall_info at the entry of a call, see ptrace(2)."""
    _fields_ = [("op", ctypes.c_uint8), ("arch", ctypes.c_uint32), ("instruction_pointer", ctypes.c_uint64),
                ("stack_pointer", ctypes.c_uint64), ("number", ctypes.c_uint64), ("arguments", ctypes.c_uint64 * 6)]


libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def ptrace(request, pid, address=0, data=0):
    return libc.ptrace(request, pid, address, data)


def start(command):
    pid = os.fork()
    if pid == 0:
        if ptrace(TRACEME, 0):
            os._exit(97)
        os.kill(os.getpid(), signal.SIGSTOP)
        os.execvp(command[0], command)
    if not os.WIFSTOPPED(os.waitpid(pid, 0)[1]):
        sys.exit(97)
    ptrace(SETOPTIONS, pid, 0, OPTIONS)
    ptrace(SYSCALL, pid)
    return pid


def watch(n, only):
    """Returns the name of the call that was not made, and None when all have been made."""
    armed, seen, killed = False, 0, None
    info = SyscallInfo()
    while True:
        try:
            pid, status = os.waitpid(-1, WALL)
        except ChildProcessError:
            return killed
        if not os.WIFSTOPPED(status):
            continue
        stop = os.WSTOPSIG(status)
        if stop == AT_SYSTEM_CALL and killed is None:
            ptrace(GET_SYSCALL_INFO, pid, ctypes.sizeof(info), ctypes.addressof(info))
            if info.op == ENTRY:
                armed = armed or info.number == FCNTL[info.arch] and info.arguments[1] == F_OFD_SETLK
                name = COUNTED[info.arch].get(info.number) if armed else None
                counts = name and only in ("", name)
                seen += bool(counts)
                if counts and seen == n:
                    killed = name
                    os.kill(pid, signal.SIGKILL)
                    continue
        real = stop not in (AT_SYSTEM_CALL, signal.SIGTRAP, signal.SIGSTOP)
        ptrace(SYSCALL, pid, 0, stop if real else 0)


if __name__ == "__main__":
    start(sys.argv[2:])
    number, _, only = sys.argv[1].partition(":")
    name = watch(int(number), only)
    print(f"killed before {name}" if name else "ran to its end", file=sys.stderr)
    sys.exit(0 if name else 99)
