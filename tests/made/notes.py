"""Progress that keeps what it is told."""

from gapscope.progress import Silent


class Notes(Silent):
    """Shows nothing, and keeps every note."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, message: str) -> None:
        """Keep the line."""
        self.lines.append(message)
