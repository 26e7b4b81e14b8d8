"""COCO annotations, and the images or objects that they name."""
