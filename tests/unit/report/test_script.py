import json
from typing import Any

import numpy as np
import pytest

from gapscope.report.script import packed, script

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!-- <script>",
    "]]>",
    "a\u2028b\u2029c",
    "\"'`\\ \\u003c \\",
    "${1}",
    "\x00\x1f\x7f",
    "emoji \U0001f600 and \u05d0\u05d1 \u202egnp",
    "\ud800",
    "__proto__",
    "&lt;b&gt; &amp;",
]


def parsed(text: str) -> Any:
    """What a browser makes of the script: a JSON text inside a string literal, whose escapes JSON has too."""
    start = text.index("JSON.parse(") + len("JSON.parse(")
    assert text.endswith("));\n")
    return json.loads(json.loads(text[start : -len("));\n")]))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_comes_back_as_it_was(name: str) -> None:
    value = {"names": [name], name: name}
    assert parsed(script("facts", value)) == value


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_in_a_script_can_end_it(name: str) -> None:
    text = script("facts", [name, {name: 1}])
    assert text.isascii()
    assert not set("<>&\u2028\u2029\x00") & set(text)
    assert text.count("\n") == 1


def test_numbers_that_json_has_not_are_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        script("facts", [float("nan")])


def test_arrays_are_packed_little_endian_row_by_row() -> None:
    values = np.array([[1, 2], [258, 4]], dtype=">u2")
    assert packed(values) == "AQACAAIBBAA="
    assert packed(np.asfortranarray(values)) == packed(values)
