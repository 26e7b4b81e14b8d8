"""Is everything that a run holds there, whole, and in agreement with the rest?"""

from gapscope.verify.explain import explained
from gapscope.verify.found import Check, Fault, Verified
from gapscope.verify.stage import verify

__all__ = ["Check", "Fault", "Verified", "explained", "verify"]
