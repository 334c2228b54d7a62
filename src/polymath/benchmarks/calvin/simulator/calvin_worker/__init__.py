"""The simulator's side of the CALVIN benchmark: runs in an interpreter that has pybullet (Python 3.8 to 3.11).

It needs numpy, `polymath_worker`, pybullet, scipy, hydra and omegaconf, and a checkout of the official `calvin_env`;
nothing of the rest of the project.
"""
