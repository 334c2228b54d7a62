"""Embodiments, their conventions and the conversions between them, statistics."""
