"""Where in a picture something is that the reference lacks: each place's features against those of the reference."""
