"""Readers, one file per format; each gives episodes or image-text pairs by index."""
