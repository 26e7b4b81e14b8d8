"""A progress that records its notes."""

from gapscope.progress import Silent


class RecordingProgress(Silent):
    """Shows nothing, and appends every note to `notes`."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        """Record the message."""
        self.notes.append(message)
