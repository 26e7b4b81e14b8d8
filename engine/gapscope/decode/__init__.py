"""From the bytes of a file to the square of pixels that the network sees."""

from gapscope.decode.picture import MAX_PIXELS, Picture, decode, thumbnail

__all__ = ["MAX_PIXELS", "Picture", "decode", "thumbnail"]
