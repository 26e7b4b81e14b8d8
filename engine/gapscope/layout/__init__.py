"""Every level as a map in three dimensions."""
