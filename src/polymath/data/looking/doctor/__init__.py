"""What is wrong with which episode of a set, measured against the set itself.

    source ─► reading (vectors, sampled pictures) ─► population (the set's own scales) ─► checks ─► diagnosis ─► page

A check is one function `(Population) -> list[Finding]` in a file of its own; its docstring gives the rule and where the
thresholds come from. A threshold is always twofold: far outside of the other episodes (median and MAD), and large in
itself, so that a set without faults has no findings however uniform it is.
"""
