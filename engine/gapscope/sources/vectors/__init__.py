"""Vectors that a dataset brings along: one per image and level, in arrays or in columns of tables."""
