"""lock.json: who works on a run, so that no two commands do at once."""

import fcntl
import getpass
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from gapscope.errors import RunError
from gapscope.progress import Progress
from gapscope.store.atomic import write_text
from gapscope.store.location import Location, file_system, is_remote, make_folder, reason_of

NAME = "lock.json"

_BEAT_SECONDS = 15.0
_WATCH_SECONDS = 300.0
"""An owner on another host that has not beaten for so long is gone. Work that keeps the interpreter to itself holds the
beats up, hence minutes."""
_POLL_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The content of lock.json.

    Attributes:
        command: what works on the run, such as `gapscope compare`.
        user: who started it.
        host: on which machine.
        pid: its process.
        since: time of its start, ISO 8601.
        processes: names the table of processes that `pid` stands in: the boot of a machine, and a namespace of it.
        started: when the process was started, in the system's ticks: numbers of processes come again.
        token: tells two locks of one process apart.
        beat: grows while the owner lives.
    """

    command: str
    user: str
    host: str
    pid: int
    since: str
    processes: str
    started: int
    token: str
    beat: int = 0

    def __str__(self) -> str:
        return f"{self.command}, process {self.pid} of {self.user} on {self.host}, since {self.since}"


class RunLock:
    """A lock that this process holds; a thread renews it."""

    def __init__(self, path: Location, owner: Owner) -> None:
        self._path, self._owner = path, owner
        self._lost: str | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="gapscope lock", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Check that the run is still locked by this process: one that stood still for minutes may be taken for gone.

        Raises:
            RunError: another command has taken it over.
        """
        if self._lost is not None:
            raise RunError(
                f"{self._path.parent} was taken over by {self._lost}, which took this command for gone: let it finish, "
                "then give the same command again"
            )

    def release(self) -> None:
        """Remove the lock."""
        self._ended.set()
        self._thread.join()
        with suppress(OSError):
            if _parsed(_read(self._path), self._owner.token) is not None:
                self._path.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._ended.wait(_BEAT_SECONDS):
            # A disk that fails is told of by what writes more than this.
            with suppress(OSError):
                self._beat_once()

    def _beat_once(self) -> None:
        text = _read(self._path)
        self._owner = replace(self._owner, beat=self._owner.beat + 1)
        if text is None:
            _create(self._path, self._owner)
        elif _parsed(text, self._owner.token) is not None:
            write_text(self._path, _text(self._owner))
        else:
            self._lost = _describe(text)


@contextmanager
def run_lock(run: Location, command: str, progress: Progress) -> Iterator[RunLock]:
    """Lock a run while the block runs, so that no other command works on it.

    Args:
        run: the run's folder, which is made where it is not there yet.
        command: the command that works on it, for messages.
        progress: gets a note of an owner that is gone, and of one that has to be watched first.

    Raises:
        RunError: another command works on the run, or the folder cannot be written.
    """
    path, owner = run / NAME, _this_process(command)
    try:
        make_folder(run)
        while not _create(path, owner):
            existing = _read(path)
            if existing is None:
                continue
            _check_gone(path, existing, progress)
            with _host_lock(run):
                # If another process of this host took the lock over first, its content has changed.
                if _read(path) == existing:
                    progress.note(f"{run} was left locked by {_describe(existing)}, which is gone: taken over")
                    path.unlink(missing_ok=True)
        lock = RunLock(path, owner)
    except (OSError, NotImplementedError) as error:
        raise RunError(f"{run} cannot be written: {reason_of(error)}") from error
    try:
        yield lock
    finally:
        lock.release()


@contextmanager
def _host_lock(run: Location) -> Iterator[None]:
    if is_remote(run):
        yield
        return
    folder = os.open(run, os.O_RDONLY)
    try:
        # Where a file system cannot do this, two commands have to meet within microseconds, and one will notice.
        with suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def check_free(run: Location, progress: Progress) -> None:
    """Check that no command works on a run, without writing anything.

    Raises:
        RunError: one does.
    """
    text = _read(run / NAME)
    if text is not None:
        _check_gone(run / NAME, text, progress)


def _this_process(command: str) -> Owner:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"user {os.getuid()}"
    stat = _stat(os.getpid())
    return Owner(
        command=command,
        user=user,
        host=socket.gethostname(),
        pid=os.getpid(),
        since=datetime.now(UTC).isoformat(timespec="seconds"),
        processes=_processes(),
        started=0 if stat is None else stat[1],
        token=uuid4().hex,
    )


def _processes() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot} {os.readlink('/proc/self/ns/pid')}"


def _stat(pid: int) -> tuple[str, int] | None:
    """Return state and time of start of a process; None where there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name, in brackets, may hold anything.
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[19])


def _check_gone(path: Location, text: str, progress: Progress) -> None:
    owner = _parsed(text)
    if owner is not None and owner.processes == _processes():
        stat = _stat(owner.pid)
        if stat is None or stat[0] in "ZX" or stat[1] != owner.started:
            return
    elif not _is_alive(path, text, progress):
        return
    raise RunError(
        f"{path.parent} is in use by {_describe(_read(path) or text)}: wait until it has ended, or stop it, and give "
        "the command again"
    )


def _is_alive(path: Location, text: str, progress: Progress) -> bool:
    """Return whether the owner of a lock on another host is alive: watch its lock, so that no clocks are compared."""
    progress.note(
        f"{path.parent} is locked by {_describe(text)}, whose processes cannot be seen from here: watching for up to "
        f"{_WATCH_SECONDS:.0f} s whether it works; if you know that it does not, remove {path}"
    )
    end = time.monotonic() + _WATCH_SECONDS
    while time.monotonic() < end:
        time.sleep(_POLL_SECONDS)
        now = _read(path)
        if now != text:
            return now is not None
    return False


def _describe(text: str) -> str:
    owner = _parsed(text)
    return "a command that cannot be named, since its lock is damaged" if owner is None else str(owner)


def _text(owner: Owner) -> str:
    return json.dumps(asdict(owner), indent=2) + "\n"


def _read(path: Location) -> str | None:
    try:
        return path.read_bytes().decode(errors="replace")
    except FileNotFoundError:
        return None


def _parsed(text: str | None, token: str | None = None) -> Owner | None:
    """Return the owner; None where the lock is damaged or gone, or not the one of `token`."""
    try:
        owner = Owner(**json.loads(text or ""))
    except (ValueError, TypeError):
        return None
    return owner if token in (None, owner.token) else None


def _create(path: Location, owner: Owner) -> bool:
    """Write a lock if there is none; return whether there was none."""
    try:
        if is_remote(path):
            # Stores that cannot refuse what is there already look first.
            file_system(path).pipe_file(str(path), _text(owner).encode(), mode="create")
        else:
            _create_local(path, owner)
    except FileExistsError:
        return False
    return True


def _create_local(path: Path, owner: Owner) -> None:
    temporary = path.with_name(f".{NAME}.{os.getpid()}{threading.get_native_id()}.partial")
    try:
        temporary.write_text(_text(owner), encoding="utf-8")
        try:
            # Whole or not at all, and never over another: on NFS too.
            path.hardlink_to(temporary)
        except FileExistsError:
            raise
        except FileNotFoundError as error:
            # The owner has swept it up: there is one.
            raise FileExistsError(path) from error
        except OSError:
            # File systems without hard links.
            with path.open("x", encoding="utf-8") as file:
                file.write(_text(owner))
    finally:
        temporary.unlink(missing_ok=True)
