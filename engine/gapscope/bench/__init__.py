"""Benchmarks that any machine can run, and whether one result is worse than another beyond the noise."""
