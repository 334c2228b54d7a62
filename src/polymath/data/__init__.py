"""From raw sets to packed batches: files, robots, formats, sequences, loading, preparation and looking."""
