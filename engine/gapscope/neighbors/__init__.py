"""Nearest neighbors of every image, per level and in every dataset: the graph behind tests, metrics and maps."""
