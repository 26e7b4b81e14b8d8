"""From the bytes of a file to the square of pixels that the network sees."""

from gapscope.decode.picture import Picture, decode, thumbnail

__all__ = ["Picture", "decode", "thumbnail"]
