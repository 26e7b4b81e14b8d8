"""Decoding: from the bytes of a file to the square of pixels that the network sees."""
