"""Batches: mixture, shuffle, loader, prepared rows, resume."""
