"""A case in a process of its own, so that its peak memory is its own."""

import subprocess
import sys
from pathlib import Path


def peak_gib() -> float:
    """Return the most memory that this process has had, in GiB; Linux's VmHWM."""
    # What getrusage says begins with the memory of the process that started this one.
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 2**20


def in_child(*arguments: str, timeout: float) -> tuple[bool, str]:
    """Run Python with arguments, such as a file's name, or -m and a module's.

    Args:
        arguments: of Python.
        timeout: seconds that it may take.

    Returns:
        Whether it went well, and what it printed; or else the last line of what it complained of.
    """
    try:
        done = subprocess.run(  # noqa: S603
            [sys.executable, *arguments], capture_output=True, text=True, check=False, timeout=timeout
        )
    except subprocess.TimeoutExpired:
        return False, f"not finished after {timeout:.0f} s"
    if not done.returncode:
        return True, done.stdout
    return False, (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
