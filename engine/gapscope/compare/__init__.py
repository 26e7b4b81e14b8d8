"""Outlier tests, distances between datasets with their noise floors, duplicates and confounders."""
