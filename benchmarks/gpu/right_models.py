"""Embeddings of the other models on the GPU, compared with the CPU's."""

from functools import partial

from gpu.right_embed import VARIANTS, compare_model
from gpu.stage import Part

from gapscope.pyramid import MODELS
from gapscope.settings import DEFAULT_MODEL

PARTS: dict[str, Part] = {
    name: partial(compare_model, name, VARIANTS) for name in MODELS if name not in ("bundled", DEFAULT_MODEL)
}
