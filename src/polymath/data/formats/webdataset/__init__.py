"""Image-text pairs in WebDataset tars: reader and writer."""
