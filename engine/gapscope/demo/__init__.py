"""Pictures made on the spot, with planted truths, and the main job on them."""

from gapscope.demo.data import DemoData, make_demo_data
from gapscope.demo.show import Demo, run_demo

__all__ = ["Demo", "DemoData", "make_demo_data", "run_demo"]
