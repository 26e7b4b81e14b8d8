"""The classes of images and objects, and how large the gap of each is."""
