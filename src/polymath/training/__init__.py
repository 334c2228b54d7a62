"""Training: losses, optimizer, step, loop, checkpoints. It knows nothing of a benchmark."""
