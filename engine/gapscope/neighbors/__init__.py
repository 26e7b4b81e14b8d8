"""Who is near whom, per level: from this graph comes everything that is said about two datasets."""
