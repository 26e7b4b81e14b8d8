"""Checks that a run is complete, undamaged and consistent, and removes what is broken."""

from gapscope.verify.checks import verify
from gapscope.verify.diagnose import diagnose_damage
from gapscope.verify.result import Check, Fault, Verified

__all__ = ["Check", "Fault", "Verified", "diagnose_damage", "verify"]
