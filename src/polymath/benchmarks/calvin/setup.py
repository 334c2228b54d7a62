"""What CALVIN's simulator needs. No data set, and of the official repositories only `calvin_env`.

calvin pins an older calvin_env as its submodule, in which the button of a light that is on at the beginning must be
pressed twice to turn it off. The commit below, the last of calvin_env's main branch, has this mended.
"""

from polymath.workers.setup import Checkout, Setup

CALVIN_ENV = Checkout(
    name="calvin_env",
    url="https://github.com/mees/calvin_env.git",
    commit="797142c588c21e76717268b7b430958dbd13bf48",
    files=(
        "calvin_env/envs/play_table_env.py",
        "conf/tasks/new_playtable_tasks.yaml",
        "data/franka_panda/panda_longer_finger.urdf",
    ),
    install=False,
)

SETUP = Setup(
    name="calvin",
    python=("3.8", "3.11"),
    packages=("pybullet==3.2.7", "numpy", "scipy", "hydra-core>=1.3,<1.4", "omegaconf>=2.3,<2.4"),
    checkouts=(CALVIN_ENV,),
    imports=("pybullet", "scipy", "hydra", "omegaconf"),
)
