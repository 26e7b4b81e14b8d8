"""How annotated boxes of two datasets differ."""
