"""From pixels to one embedding per level of a feature pyramid."""

from gapscope.pyramid.level import Level
from gapscope.pyramid.models import MODELS, Model, find_model
from gapscope.pyramid.network import Pyramid, load_pyramid

__all__ = ["MODELS", "Level", "Model", "Pyramid", "find_model", "load_pyramid"]
