"""How the simulator's environment is made: `polymath setup bridge`, or `polymath setup simpler`."""

from polymath.benchmarks.bridge.lavapipe import make_lavapipe
from polymath.workers.setup import Checkout, Setup

SETUP = Setup(
    name="bridge",
    python=("3.10", "3.10"),
    packages=(
        "sapien==2.2.2",
        "numpy==1.24.4",
        "scipy",
        "gymnasium>=0.28.1,<1.0",
        "opencv-python-headless<4.10",
        "transforms3d",
        "trimesh",
        "rtree",
        "ruckig",
        "imageio",
        "pillow",
        "h5py",
        "tqdm",
        "tabulate",
        "GitPython",
        "setuptools<70",  # SAPIEN 2 imports pkg_resources
    ),
    checkouts=(
        Checkout(
            "ManiSkill2_real2sim",  # the submodule of SimplerEnv: a checkout of that will do as well
            "https://github.com/simpler-env/ManiSkill2_real2sim.git",
            commit="ef7a4d4fdf4b69f2c2154db5b15b9ac8dfe10682",
            files=("mani_skill2_real2sim/__init__.py", "data/custom/info_bridge_custom_v0.json"),
            install=False,  # its requirements name the OpenCV that needs a display; those above do not
        ),
    ),
    imports=("mani_skill2_real2sim",),  # SAPIEN's own waits for the worker, which knows where Vulkan is
    aliases=("simpler",),
    finish=make_lavapipe,
)
