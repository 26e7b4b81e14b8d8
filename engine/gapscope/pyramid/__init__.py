"""From pixels to one embedding per level of a feature pyramid."""

from gapscope.pyramid.level import Level
from gapscope.pyramid.model import Model, Trunk
from gapscope.pyramid.models import MODELS, find_model
from gapscope.pyramid.network import Pyramid, load_pyramid

__all__ = ["MODELS", "Level", "Model", "Pyramid", "Trunk", "find_model", "load_pyramid"]
