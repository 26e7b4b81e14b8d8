"""Benchmarks that run on any machine, and a test whether one result is worse than another beyond the noise."""
