"""Are the embeddings of the other models, on the GPU, those of the CPU?"""

from functools import partial

from gpu.right_embed import WAYS, model_right
from gpu.stage import Part

from gapscope.pyramid import MODELS
from gapscope.settings import DEFAULT_MODEL

PARTS: dict[str, Part] = {
    name: partial(model_right, name, WAYS) for name in MODELS if name not in ("bundled", DEFAULT_MODEL)
}
