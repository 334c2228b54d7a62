"""The user's checkout of the official `calvin_env`: where it is, which version it is, its configuration composed.

The official evaluation reads the composed configuration from the data set (`.hydra/merged_config.yaml`, 166 GB beside
it). The checkout's own `conf` holds the same values, so no data set is needed.
"""

import hashlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from . import standins

SCENES = ("A", "B", "C", "D")
CAMERAS = {"rgb_static": "static", "rgb_gripper": "gripper"}
ROBOT = "panda_longer_finger"
VERSIONS = {"af01fc986b9c7a72": "797142c"}
"""Hash of a checkout -> its commit."""
PACKAGES = ("pybullet", "scipy", "hydra", "omegaconf")
PLACES = (".", "calvin_env", "calvin/calvin_env")


class CheckoutError(Exception):
    """There is no usable checkout of calvin_env, or a package is missing; the message says what to do."""


def check_packages() -> None:
    """Raises CheckoutError naming the interpreter and what it lacks."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise CheckoutError(
            f"{sys.executable} has no {', '.join(missing)}; make the simulator's environment with "
            "`polymath setup calvin`, or name an interpreter that has it with --python"
        )


def installed() -> Path:
    """Where `polymath setup calvin` puts the checkout; where there is none, the one that pip installed as editable."""
    made = Path(sys.prefix) / "src" / "calvin_env"
    package = None if made.is_dir() else importlib.util.find_spec("calvin_env")
    if package is None or package.origin is None:
        return made
    return Path(package.origin).resolve().parents[1]


def find(place: Path) -> Path:
    """The checkout of calvin_env in `place`: itself, or beside or inside a checkout of calvin.

    Raises CheckoutError where there is none, or one without its configuration or its meshes.
    """
    for relative in PLACES:
        root = place / relative
        if (root / "calvin_env" / "envs" / "play_table_env.py").is_file():
            for needed in ("conf/scene", "data/franka_panda"):
                if not (root / needed).is_dir():
                    raise CheckoutError(f"{root}: has no {needed}; clone it again, whole")
            return root.resolve()
    raise CheckoutError(
        f"{place}: no checkout of calvin_env there; make the simulator's environment with `polymath setup calvin`, or "
        "`polymath setup calvin --from PATH` with a directory that holds a checkout of calvin_env"
    )


def version(root: Path) -> str:
    """The known version of a checkout, or a hash of its code, configuration and models: it may have been changed."""
    digest = hashlib.sha256()
    for folder, ending in (("calvin_env", "py"), ("conf", "yaml"), ("data", "urdf")):
        for path in sorted((root / folder).rglob("*." + ending)):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    text = digest.hexdigest()[:16]
    return VERSIONS.get(text, "sha256 " + text)


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
            "cameras": {name: OmegaConf.load(conf / "cameras/cameras" / (name + ".yaml")) for name in CAMERAS.values()},
            "robot": _with_defaults(conf / "robot" / (ROBOT + ".yaml")),
            "scene": OmegaConf.load(conf / "scene" / f"calvin_scene_{scene}.yaml"),
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
