"""The boxes of annotated objects as the page shows them: a sentence and a histogram per number."""

from itertools import pairwise

from gapscope.compare.boxes.registry import BOX_NUMBERS, BoxNumber
from gapscope.report.names import Names
from gapscope.store.box_metrics import BoxMetric, PairBoxes
from gapscope.store.datasets import Pair
from gapscope.store.metrics import Metrics
from gapscope.store.run_store import RunStore

_MORE_LESS = {
    "objects_per_image": ("images have more objects", "images have fewer objects"),
    "classes_per_image": ("images show more classes", "images show fewer classes"),
    "size": ("objects are larger", "objects are smaller"),
    "width": ("objects are wider", "objects are narrower"),
    "height": ("objects are taller", "objects are shorter"),
    "center_x": ("objects lie further right", "objects lie further left"),
    "center_y": ("objects lie lower", "objects lie higher"),
    "aspect": ("objects are wider for their height", "objects are narrower for their height"),
    "overlap": ("objects overlap more", "objects overlap less"),
    "overlapping": ("objects overlap others more often", "objects overlap others less often"),
    "truncation": ("objects are cut off more", "objects are cut off less"),
    "at_edge": ("objects reach the edge more often", "objects reach the edge less often"),
    "occlusion": ("objects are hidden more", "objects are hidden less"),
}


def boxes_facts(run: RunStore, metrics: Metrics, names: Names) -> list[dict[str, object] | None]:
    """Return, per ordered pair, its boxes as JSON values; None where it has none."""
    return [
        _pair(pair, own, names) if (own := metrics["boxes"].get(pair.name)) and own["numbers"] else None
        for pair in run.pairs
    ]


def _pair(pair: Pair, boxes: PairBoxes, names: Names) -> dict[str, object]:
    return {
        "numbers": [_number(pair, own) for own in boxes["numbers"] if own["name"] in BOX_NUMBERS],
        "together": [
            {**own, "first": names.value(own["first"]), "second": names.value(own["second"])}
            for own in boxes["together"]
        ],
        "note": names.text(boxes["note"]),
    }


def _number(pair: Pair, metric: BoxMetric) -> dict[str, object]:
    number = BOX_NUMBERS[metric["name"]]
    histogram = metric["histogram"]
    return {
        "name": number.name,
        "label": number.label,
        "help": number.help,
        "of": number.of,
        "sentence": box_sentence(pair, metric),
        "interval": _interval(number, metric),
        "beyond": metric["beyond_noise"],
        "counts": list(metric["objects"]),
        "bins": histogram["labels"] or _ranges(number, histogram["edges"]),
        "edges": histogram["edges"],
        "query": histogram["query"],
        "reference": histogram["reference"],
    }


def box_sentence(pair: Pair, metric: BoxMetric) -> str:
    """Return what a number says of the pair's reference, beside the query.

    Example:
        >>> metric: BoxMetric = {
        ...     "name": "size", "query": 0.14, "reference": 0.21, "difference": -0.07, "low": -0.08, "high": -0.06,
        ...     "effect": -0.5, "p": 0.01, "beyond_noise": True, "objects": (90, 80),
        ...     "histogram": {"edges": [], "labels": [], "query": [], "reference": []},
        ... }
        >>> box_sentence(Pair("real", "synthetic"), metric)
        'synthetic objects are larger: 21% against 14%'
    """
    number = BOX_NUMBERS[metric["name"]]
    reference, query = (number.format_value(metric[side]) for side in ("reference", "query"))
    values = f"{reference} against {query}"
    if metric["beyond_noise"] is None:
        return f"too few to say: {values}"
    if not metric["beyond_noise"]:
        return f"no difference beyond noise: {values}"
    if metric["low"] is not None and metric["high"] is not None and metric["low"] <= 0 <= metric["high"]:
        return f"alike in the mean ({values}), but distributed differently"
    more, less = _MORE_LESS.get(number.name, (f"has more {number.label}", f"has less {number.label}"))
    return f"{pair.reference} {more if metric['difference'] < 0 else less}: {values}"


def _interval(number: BoxNumber, metric: BoxMetric) -> str:
    """Return the 95% interval of reference - query in words, in the number's unit; empty without one."""
    if metric["low"] is None or metric["high"] is None:
        return ""
    low, high = -metric["high"], -metric["low"]
    if number.unit == "share":
        # Adding 0 turns -0 into 0.
        low, high = (round(100 * end, 1) + 0.0 for end in (low, high))
        return f"{low:+.1f} to {high:+.1f} points"
    if number.unit == "log-ratio":
        return f"{2**low:.2f} to {2**high:.2f} times"
    return f"{low:+.2g} to {high:+.2g}"


def _ranges(number: BoxNumber, edges: list[float]) -> list[str]:
    texts = [number.format_value(edge).replace(".0%", "%") for edge in edges]
    return [f"{low} to {high}" for low, high in pairwise(texts)]
