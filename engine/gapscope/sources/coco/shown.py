"""Values of a JSON file, as messages show them."""

import json
from typing import Any

from gapscope.sources.folder import utf8_safe

_SHOWN = 200


def shown(value: Any) -> str:
    r"""Return a value of a JSON file as one line for a message.

    Example:
        >>> print(shown("a\nb.jpg"), shown(17), shown(None))
        a b.jpg 17 null
    """
    text = value if isinstance(value, str) else json.dumps(value)
    return " ".join(utf8_safe(text).split())[:_SHOWN]


def shown_id(value: Any) -> str:
    """Return an id for a message, so that text can be told from a number.

    Example:
        >>> print(shown_id("3"), shown_id(3))
        "3" 3
    """
    return f'"{shown(value)}"' if isinstance(value, str) else shown(value)
