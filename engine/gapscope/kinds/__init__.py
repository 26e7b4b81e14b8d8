"""What is missing, as a handful of kinds: groups of listed images that are alike, with what each lacks and how sure."""
