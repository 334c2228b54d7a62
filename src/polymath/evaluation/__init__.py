"""Success rates: simulator workers, rollouts, statistics, benchmarks and the report."""
