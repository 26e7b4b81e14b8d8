"""Images per second of the pyramid with other batch sizes."""

from functools import partial

from gpu.fast_embed import measure_variants
from gpu.stage import Part

_VARIANTS = ("bfloat16, compiled", "bfloat16")
_BATCHES = {512: (32, 64, 256), 224: (64, 256, 512)}

PARTS: dict[str, Part] = {
    f"{size} pixels, batch {batch}": partial(measure_variants, size, batch, _VARIANTS)
    for size, batches in _BATCHES.items()
    for batch in batches
}
