"""Parquet tables with columns of images."""
