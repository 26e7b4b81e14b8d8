"""How the gap went over many versions: numbers, and kinds that are followed from one version to the next."""

from gapscope.history.find_runs import find_runs
from gapscope.history.history import History
from gapscope.history.read import read_history
from gapscope.history.write import describe_history, write_history

__all__ = ["History", "describe_history", "find_runs", "read_history", "write_history"]
