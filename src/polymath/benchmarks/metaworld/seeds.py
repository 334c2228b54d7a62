"""Seeds of recordings and of evaluations, apart from each other: no evaluated layout was ever recorded."""

RECORDING = range(0, 1_000_000)
"""Demonstrations and captioned pictures."""

EVALUATION = range(1_000_000, 2_000_000)
"""Held-out layouts."""
