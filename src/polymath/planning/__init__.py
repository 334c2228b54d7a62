"""What a run needs, from its configuration alone: nothing here allocates a weight."""
