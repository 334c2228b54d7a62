"""One file per benchmark: its splits, tasks, seeds and how its worker is started."""
