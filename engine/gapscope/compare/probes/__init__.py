"""Linear probes: trained on the classes of one dataset, tested on another."""
