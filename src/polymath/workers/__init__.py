"""The evaluator's side of a simulator process: protocol, process, pool."""
