"""Nearest neighbors of every image, per level, in every dataset: the graph that tests, metrics and maps are made from."""
