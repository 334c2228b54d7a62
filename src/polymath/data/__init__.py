"""From raw sets to packed batches: readers, transforms, statistics, packing, mixture, loader, and the writers."""
