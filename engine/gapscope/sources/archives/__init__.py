"""Tar and zip archives of images."""
