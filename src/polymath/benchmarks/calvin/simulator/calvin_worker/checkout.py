"""The user's checkout of the official `calvin_env`: where it is, which commit it is, its configuration composed.

The official evaluation reads the composed configuration from the data set (`.hydra/merged_config.yaml`, 166 GB beside
it). The checkout's own `conf` holds the same values, so no data set is needed.
"""

import sys
from pathlib import Path
from typing import Any

from . import standins

SCENES = ("A", "B", "C", "D")
CAMERAS = {"rgb_static": "static", "rgb_gripper": "gripper"}
ROBOT = "panda_longer_finger"
COMMIT = "797142c588c21e76717268b7b430958dbd13bf48"
PLACES = (".", "calvin_env", "calvin/calvin_env")


class CheckoutError(Exception):
    """There is no usable checkout of calvin_env; the message says what to do."""


def find(place: Path) -> Path:
    """The checkout of calvin_env in `place`: itself, or beside or inside a checkout of calvin.

    Raises CheckoutError where there is none, or one without its submodule or its pictures and meshes.
    """
    for relative in PLACES:
        root = place / relative
        if (root / "calvin_env" / "envs" / "play_table_env.py").is_file():
            for needed in ("conf/scene", "data/franka_panda"):
                if not (root / needed).is_dir():
                    raise CheckoutError("{}: has no {}; clone it again, whole".format(root, needed))
            return root.resolve()
    raise CheckoutError(
        "{}: no checkout of calvin_env there; give the directory that holds calvin_env, or run "
        "`git submodule update --init calvin_env` in the checkout of calvin".format(place)
    )


def commit(root: Path) -> str:
    """The commit of a checkout, read from its .git; "unknown" for a copy without one."""
    git = root / ".git"
    if git.is_file():  # a submodule or a worktree
        text = git.read_text().strip()
        git = root / text[len("gitdir: ") :] if text.startswith("gitdir: ") else git
    head = git / "HEAD"
    if not head.is_file():
        stamp = root / "COMMIT"
        return stamp.read_text().strip() if stamp.is_file() else "unknown"
    text = head.read_text().strip()
    if not text.startswith("ref: "):
        return text
    name = text[len("ref: ") :]
    if (git / name).is_file():
        return (git / name).read_text().strip()
    packed = git / "packed-refs"
    lines = packed.read_text().splitlines() if packed.is_file() else []
    return next((line.split()[0] for line in lines if line.endswith(" " + name)), "unknown")


def use(root: Path) -> None:
    """Make `import calvin_env` import this checkout."""
    standins.install()
    sys.path.insert(0, str(root))


def configuration(root: Path, scene: str, egl: bool) -> Any:
    """The official environment's configuration for `scene`, as omegaconf composes it from the checkout's `conf`."""
    from omegaconf import OmegaConf

    conf = root / "conf"
    return OmegaConf.create(
        {
            "data_path": str(root / "data"),
            "use_vr": False,
            "cameras": {
                name: OmegaConf.load(conf / "cameras/cameras" / (name + ".yaml")) for name in CAMERAS.values()
            },
            "robot": _with_defaults(conf / "robot" / (ROBOT + ".yaml")),
            "scene": OmegaConf.load(conf / "scene" / "calvin_scene_{}.yaml".format(scene)),
            "env": OmegaConf.merge(OmegaConf.load(conf / "env/play_table_env.yaml"), {"use_egl": egl}),
        }
    )


def task_rules(root: Path) -> Any:
    """The configuration of the official success rules of the 34 tasks."""
    from omegaconf import OmegaConf

    return OmegaConf.load(root / "conf/tasks/new_playtable_tasks.yaml")


def _with_defaults(path: Path) -> Any:
    """A file of hydra's over the files that its `defaults` name, which stand beside it."""
    from omegaconf import OmegaConf

    own = OmegaConf.load(path)
    parents = own.pop("defaults", [])
    return OmegaConf.merge(*[_with_defaults(path.with_name(parent + ".yaml")) for parent in parents], own)
