"""One folder per benchmark: its tasks, worker, experts and recording. `registry` knows all by name."""
