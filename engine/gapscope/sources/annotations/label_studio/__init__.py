"""Label Studio's exports in JSON."""
