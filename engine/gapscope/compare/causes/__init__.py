"""Which columns a gap goes with, and which of their values are wanted more."""
