"""The model: pure functions over parameters described by `specs`; it knows nothing of files, robots or optimizers."""
