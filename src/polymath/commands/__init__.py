"""The verbs of the `polymath` command, one file for those that belong together; `polymath.cli` puts them together."""
