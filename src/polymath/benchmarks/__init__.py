"""One folder per benchmark: its tasks, worker, experts and recording."""
