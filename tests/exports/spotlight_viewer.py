"""Shows an export in Renumics Spotlight, by its own script, without a browser."""

import importlib.util
import sys
from pathlib import Path

from expected import expected_boxes
from renumics import spotlight


def main(folder: str) -> None:
    spec = importlib.util.spec_from_file_location("show", Path(folder, "show.py"))
    assert spec is not None
    assert spec.loader is not None
    show = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(show)
    assert set(show.table["uri"]) == set(expected_boxes(folder))
    assert all(Path(path).is_file() for path in show.table["image"])
    assert show.issues
    assert all(0 <= row < len(show.table) for issue in show.issues for row in issue.rows)
    viewer = spotlight.show(show.table, dtype=show.dtype, issues=show.issues, no_browser=True, wait=False)
    try:
        assert len(viewer.df) == len(show.table)
    finally:
        viewer.close()
    print(f"{len(show.table)} images and {len(show.issues)} issues, all as they are")


main(sys.argv[1])
