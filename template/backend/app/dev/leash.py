"""Run a command that cannot outlive the process that started it.

A script, not a module: `python -I -S leash.py PARENT SIGNAL UID GID command…`. On Linux the kernel
sends SIGNAL to the command when its parent ends, however it ends (`kill -9` included). As root the
command runs as UID and GID; -1 keeps the caller's. The command replaces this script, so its process
id is the one that the caller already knows.

It is an interpreter of its own because the alternative, `preexec_fn`, is unsafe in a process that
has threads. The kernel watches the *thread* that starts the child: start from the main thread.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(arguments: list[str]) -> None:
    """Drop privileges, tie the process to its parent, become the command."""
    parent, death_signal, uid, gid = (int(value) for value in arguments[:4])
    command = arguments[4:]
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After setuid: a change of credentials clears the setting.
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
        if os.getppid() != parent:
            raise SystemExit("the process that asked for this command is gone")
    try:
        os.execvp(command[0], command)  # noqa: S606  # the caller's own list, and no shell
    except OSError as error:
        raise SystemExit(f"cannot run {command[0]}: {error.strerror}") from None


if __name__ == "__main__":
    main(sys.argv[1:])
