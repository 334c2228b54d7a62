"""The verbs of the `polymath` command, grouped in files by subject; `polymath.cli` registers them."""
