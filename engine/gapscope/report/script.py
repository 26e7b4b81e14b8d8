"""Data as script files: a page opened from disk may load scripts, but may not fetch anything."""

import base64
import json
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


def packed(values: NDArray[Any]) -> str:
    """Return an array's values in base64, little-endian, row by row."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes()).decode()
