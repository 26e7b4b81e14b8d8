"""What a notebook shows of a run: the kinds as cards with pictures, or the whole page in a frame."""

import base64
import html
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gapscope.compare.registry import format_share
from gapscope.errors import RunError
from gapscope.kinds.sentences import levels_of, name_of, none_sentences, sureness
from gapscope.report.palette import light
from gapscope.report.single_file import write_single_file
from gapscope.store.gaps import Gap, Gaps
from gapscope.store.metrics import Metrics
from gapscope.store.run_store import RunStore
from gapscope.store.thumbnails import read_thumbnails

_CARDS = 6
_PICTURES = 6
_SIDE = 96
_ALLOWED = "allow-scripts allow-downloads allow-popups"
"""What the page may do. A run may come from somebody else: its scripts must not reach the notebook around them."""

_FRAME = "width:100%;border:1px solid #8888;border-radius:4px"


@dataclass(frozen=True)
class PageFrame:
    """A run's page in a frame of a notebook.

    Attributes:
        page: the page as one HTML text.
        height: of the frame, in pixels.
    """

    page: str
    height: int

    def _repr_html_(self) -> str:
        escaped = html.escape(self.page, quote=True)
        return f'<iframe srcdoc="{escaped}" sandbox="{_ALLOWED}" style="{_FRAME};height:{self.height}px"></iframe>'

    def __repr__(self) -> str:
        """Return what a terminal shows of it."""
        return f"<page of {len(self.page) / 1e6:.1f} MB, for a notebook>"


def page_frame(run: RunStore, height: int) -> PageFrame:
    """Return a run's page for a notebook, whole and without a server.

    Raises:
        RunError: the run has no report.
    """
    report = run.path / "report"
    if not (report / "index.html").exists():
        raise RunError(f"{run.path} has no report: write it with `gapscope report {run.path}`")
    with tempfile.TemporaryDirectory(prefix="gapscope-") as folder:
        page = Path(folder) / "page.html"
        write_single_file(report, page)
        return PageFrame(page.read_text(encoding="utf-8"), height)


def run_html(run: RunStore, gaps: Gaps, metrics: Metrics) -> str:
    """Return a run as HTML for a notebook: in words what each ordered pair lacks, and the worst kinds with pictures."""
    # The other side of a kind is told by the first.
    first, told = list[Gap](), set[str]()
    for gap in gaps["kinds"]:
        if gap["mirror"] not in told:
            first.append(gap)
            told.add(gap["id"])
    shown = first[:_CARDS]
    without = none_sentences(metrics)
    sentences = [
        f"{gaps['sentences'][pair.name]}. {'' if _has_kinds(gaps, pair.name) else without[pair.name]}"
        for pair in run.pairs
    ]
    rest = len(first) - len(shown)
    more = f"<p>{rest:,} more in <code>run.gaps</code>; the whole page: <code>run.show()</code></p>"
    datasets = " · ".join(_dataset(run, name) for name in run.datasets)
    parts = [
        f"<p><b>{datasets}</b> at {', '.join(run.levels)}</p>",
        *(f"<p>{html.escape(sentence)}</p>" for sentence in sentences),
        '<div style="display:flex;flex-wrap:wrap;gap:12px">',
        *(_card(run, gap) for gap in shown),
        "</div>",
        more if rest else "<p>The whole page: <code>run.show()</code></p>",
    ]
    return f'<div style="font-family:system-ui,sans-serif;line-height:1.35;max-width:1320px">{"".join(parts)}</div>'


def _has_kinds(gaps: Gaps, pair: str) -> bool:
    return any(f"{gap['query']}-vs-{gap['reference']}" == pair for gap in gaps["kinds"])


def _dataset(run: RunStore, name: str) -> str:
    color = light(run.datasets.index(name))
    read = run.record.datasets[name].read or 0
    shape = "display:inline-block;width:.8em;height:.8em;border-radius:50%"
    swatch = f'<span style="{shape};background:{color}"></span>'
    return f"{swatch} {html.escape(name)}, {read:,} {run.record.row_unit(name)}s"


def _card(run: RunStore, gap: Gap) -> str:
    pictures = gap["pictures"][:_PICTURES]
    own = read_thumbnails(run, gap["query"], np.array([picture["row"] for picture in pictures], np.int64))
    rows = [picture["counterpart_row"] for picture in pictures]
    there = [row for row in rows if row is not None]
    other = read_thumbnails(run, gap["reference"], np.array(there, np.int64)) if there else {}
    count = run.record.describe_count(gap["query"], gap["images"], gap["groups"])
    facts = f"{count} ({format_share(gap['share'])}) · {levels_of(gap, run.levels)} · {sureness(gap)}"
    strip = "".join(_picture(own.get(picture["row"])) for picture in pictures)
    counterparts = "".join(_picture(None if row is None else other.get(row)) for row in rows)
    nearest = f"<div><small>Nearest in {html.escape(gap['reference'])}:</small></div><div>{counterparts}</div>"
    return (
        f'<div style="border:1px solid #8888;border-radius:6px;padding:10px;width:620px;max-width:100%">'
        f"<div><small>{gap['id']} · {html.escape(gap['title'])}</small></div>"
        f"<div><b>{html.escape(name_of(gap))}</b></div><div><small>{html.escape(facts)}</small></div>"
        f"{f'<div>{strip}</div>{nearest}' if own else ''}"
        f"<div>{html.escape(gap['advice'])}</div></div>"
    )


def _picture(jpeg: bytes | None) -> str:
    style = f"width:{_SIDE}px;height:{_SIDE}px;object-fit:contain;margin:2px;background:#8882"
    if jpeg is None:
        return f'<span style="display:inline-block;{style}"></span>'
    return f'<img style="{style}" src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">'
