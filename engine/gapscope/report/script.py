"""Data as script files: a page opened from disk may load scripts, but may not fetch anything."""

import base64
import json
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def script(name: str, value: Any) -> str:
    """Return the text of a script that hands `value` to the page under `name`.

    The value is parsed as JSON in the page, so that no name in it can reach an object's prototype, and the text is
    ASCII without `<`, `>` and `&`, so that nothing in it can end a script or start a comment wherever it is put.
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return f"gapscope.receive({json.dumps(name)}, JSON.parse({json.dumps(text).translate(_ESCAPES)}));\n"


_HEAD = re.compile(rb'gapscope\.receive\("[a-z0-9-]+", JSON\.parse\(')
_TAIL = b"));\n"


def is_script(data: bytes) -> bool:
    """Tell whether bytes are such as `script` returns: they hand over a text, and do nothing else."""
    head = _HEAD.match(data)
    if head is None or not data.endswith(_TAIL) or not data.isascii():
        return False
    try:
        # In ASCII, what is one string to JSON is one string to a browser too.
        return isinstance(json.loads(data[head.end() : -len(_TAIL)]), str)
    except ValueError:
        return False


def packed(values: NDArray[Any]) -> str:
    """Return an array's values in base64, little-endian, row by row."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes()).decode()
