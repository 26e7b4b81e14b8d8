"""docs/security.md names a test for every threat; here it is seen that there is one."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[2]
PAGE = (TESTS.parent / "docs" / "security.md").read_text(encoding="utf-8")


def test_every_test_that_the_page_names_is_there() -> None:
    files = {
        name.replace("hostile/", "unit/hostile/", 1) if name.startswith("hostile/") else name
        for name in re.findall(r"`([\w/]+/test_\w+\.py)`", PAGE)
    }
    assert len(files) > 8
    assert [name for name in sorted(files) if not (TESTS / name).is_file()] == []
    serving = (TESTS / "unit" / "report" / "test_serve.py").read_text(encoding="utf-8")
    functions = re.findall(r"`(test_\w+)`", PAGE)
    assert len(functions) > 8
    assert [name for name in functions if f"def {name}(" not in serving] == []
