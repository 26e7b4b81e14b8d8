"""Runs a benchmark's case in its own process, so that its peak memory can be measured."""

import subprocess
import sys
from pathlib import Path


def peak_gib() -> float:
    """Return the peak resident memory of this process in GiB (Linux: VmHWM)."""
    # The peak that getrusage reports starts at the memory of the parent process.
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 2**20


def in_child(*arguments: str, timeout: float) -> tuple[bool, str]:
    """Run Python in a child process.

    Args:
        arguments: for Python, such as a script's path, or -m and a module's name.
        timeout: seconds after which the child is killed.

    Returns:
        Whether it succeeded, and its standard output; if it failed, the last line of its standard error instead.

    Example:
        >>> in_child("-c", "print(6 * 7, end='')", timeout=60)
        (True, '42')
    """
    try:
        child = subprocess.run(  # noqa: S603
            [sys.executable, *arguments], capture_output=True, text=True, check=False, timeout=timeout
        )
    except subprocess.TimeoutExpired:
        return False, f"not finished after {timeout:.0f} s"
    if not child.returncode:
        return True, child.stdout
    return False, (child.stderr.strip().splitlines() or [f"exit code {child.returncode}"])[-1]
