"""Images as the rows of arrays, in NumPy files and Zarr stores."""
