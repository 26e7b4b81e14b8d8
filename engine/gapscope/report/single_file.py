"""The report as one HTML file, for mailing: styles, scripts, data and pictures are all in it."""

import base64
import hashlib
import io
import json
import os
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from gapscope.store.atomic import replacing
from gapscope.store.location import Location

_STYLES = re.compile(r'<link rel="stylesheet" href="([^"]+)">\n')
_SCRIPTS = re.compile(r'<script( defer)? src="([^"]+)"></script>\n')
_QUALITY = 75
"""Of pictures as WebP, on a scale of 100: they look like the report's own."""

_POLICY = re.compile(r'(<meta http-equiv="Content-Security-Policy" content=")[^"]*(">)')


def write_single_file(report: Location, out: Path) -> int:
    """Write the page in folder `report` as one file `out`, and return its size in bytes.

    The page's policy names its scripts and styles by their hashes, so that nothing else in it can run. All of the
    folder's data goes into the file: a page to be sent away is written with `relative_names`.

    Raises:
        OSError: `out` cannot be written.
    """
    page = (report / "index.html").read_text(encoding="utf-8")
    styles = {name: (report / name).read_text(encoding="utf-8") for name in _STYLES.findall(page)}
    scripts = {name: _inlinable((report / name).read_text(encoding="utf-8")) for _, name in _SCRIPTS.findall(page)}
    code = {name: text for name, text in scripts.items() if not name.startswith("data/")}
    policy = (
        f"default-src 'none'; script-src {_hashes(code.values())}; style-src {_hashes(styles.values())}; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    page = _POLICY.sub(lambda match: f"{match[1]}{policy}{match[2]}", page)
    page = _STYLES.sub(lambda match: f"<style>{styles[match[1]]}</style>\n", page)
    # A script in the page cannot be deferred, so those that were come last.
    later = [name for defer, name in _SCRIPTS.findall(page) if defer and name in code]
    page = _SCRIPTS.sub(lambda match: "" if match[1] else f"<script>{code[match[2]]}</script>\n", page)
    parts = [*_data(report), *_pictures(report), *(f"<script>{code[name]}</script>\n" for name in later)]
    head, end = page.rsplit("</body>", 1)
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write(head)
        file.writelines(parts)
        file.write(f"</body>{end}")
    return out.stat().st_size


def _inlinable(script: str) -> str:
    """Return a script that means the same and holds nothing that could end the element that it stands in."""
    return re.sub(r"<(?=/script|script)", r"\\x3c", script.replace("<!--", r"\x3c!--"), flags=re.IGNORECASE)


def _hashes(texts: Iterable[str]) -> str:
    digests = (hashlib.sha256(text.encode()).digest() for text in texts)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


def _data(report: Location) -> list[str]:
    """Return every data file as an element that no browser runs."""
    elements = []
    for path in _by_name((report / "data").glob("*.js")):
        script = path.read_text(encoding="utf-8")
        text = json.loads(script[script.index("JSON.parse(") + len("JSON.parse(") : script.rindex("));")])
        elements.append(f'<script type="application/json" id="inlined/{path.stem}">{_escaped(text)}</script>\n')
    return elements


def _by_name(files: Iterable[Location]) -> list[Location]:
    return sorted(files, key=lambda file: file.name)


def _escaped(text: str) -> str:
    return text.replace("<", "\\u003c")


def _pictures(report: Location) -> list[str]:
    files = _by_name((report / "tiles").iterdir())
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return [
            f'<script type="text/plain" id="inlined/tiles/{path.name}" data-type="image/webp">{text}</script>\n'
            for path, text in zip(files, threads.map(_smaller, files), strict=True)
        ]


def _smaller(path: Location) -> str:
    """Return a picture in base64, a quarter smaller than it is in the report's folder."""
    data = io.BytesIO()
    with Image.open(io.BytesIO(path.read_bytes())) as picture:
        picture.save(data, "WEBP", quality=_QUALITY, method=4)
    return base64.b64encode(data.getvalue()).decode()
