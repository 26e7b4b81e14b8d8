"""The page that shows a run: one folder that opens from disk, with no network and no server."""

from gapscope.report.single_file import write_single_file
from gapscope.report.write import rewrite_report, write_report

__all__ = ["rewrite_report", "write_report", "write_single_file"]
