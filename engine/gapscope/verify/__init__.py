"""Is everything that a run holds there, whole, and in agreement with the rest?"""

from gapscope.verify.checks import verify
from gapscope.verify.diagnose import diagnose_damage
from gapscope.verify.result import Check, Fault, Verified

__all__ = ["Check", "Fault", "Verified", "diagnose_damage", "verify"]
