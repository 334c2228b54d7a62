"""Token sequences: documents, transforms, augmentation, packing."""
