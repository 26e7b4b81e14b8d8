"""Lists and tables of images, as people write them."""
