"""A demonstration: generates two small datasets with known gaps, and compares them."""

from gapscope.demo.data import DemoData, make_demo_data
from gapscope.demo.show import Demo, run_demo

__all__ = ["Demo", "DemoData", "make_demo_data", "run_demo"]
