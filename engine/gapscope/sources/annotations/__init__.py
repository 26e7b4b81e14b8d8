"""Annotations: what datasets say of the objects in their images."""
