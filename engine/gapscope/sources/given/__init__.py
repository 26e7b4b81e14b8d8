"""Images that a Python program gives: paths, pictures, arrays, tables, data loaders and generators."""
