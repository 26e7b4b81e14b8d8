"""Time, disk and memory that a whole job would take, from a small sample of it."""

from gapscope.plan.estimate import Plan, Stage
from gapscope.plan.job import plan

__all__ = ["Plan", "Stage", "plan"]
