"""SIMPLER's WidowX tasks as a worker of `polymath eval bridge`, run by the simulator's own interpreter (Python 3.10).

Written in the syntax of Python 3.8; it needs numpy, Pillow, polymath_worker and the official `mani_skill2_real2sim`.
"""
