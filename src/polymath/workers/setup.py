"""What a simulator's environment needs, as data; `polymath setup NAME` makes it (see `polymath.workers.environment`).

SETUP = Setup(
    name="point", python=("3.8", "3.13"), packages=("pybullet==3.2.5",), imports=("pybullet", "point_env"),
    checkouts=(Checkout("point_env", "https://…/point_env.git", commit="0123abc…", files=("setup.py",)),),
)
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from polymath.home import simulator_folder


@dataclass(frozen=True)
class Checkout:
    """A repository that the simulator needs.

    name      its folder below the environment, HOME/simulators/NAME/src/<name>, and below the user's `--from PATH`
    url       where it is cloned from, if the user has none
    commit    the full hash that is checked out
    files     that must be there, to tell a wrong folder from the right one
    install   whether pip installs it, without its dependencies; otherwise its folder is put on the import path
    """

    name: str
    url: str
    commit: str
    files: tuple[str, ...] = ()
    install: bool = True


@dataclass(frozen=True)
class Setup:
    """How a simulator's environment is made.

    name        of the environment's folder and of the benchmark
    python      the oldest and the newest version that the simulator's packages run on, such as ("3.8", "3.8")
    packages    requirements that are installed, beside numpy and msgpack
    checkouts   repositories that are installed after them, in this order
    imports     modules that must be importable afterwards, in the order in which they are tried
    aliases     further names under which `polymath setup` knows it
    finish      what else is to be done, given the environment's folder and what tells the user of a step; done at
                every run, before the imports are tried, so it should leave alone what is done
    """

    name: str
    python: tuple[str, str]
    packages: tuple[str, ...] = ()
    checkouts: tuple[Checkout, ...] = ()
    imports: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    finish: Callable[[Path, Callable[[str], None]], None] | None = None

    @property
    def folder(self) -> Path:
        """The environment."""
        return simulator_folder(self.name)

    def checkout_folder(self, checkout: Checkout) -> Path:
        """Where the checkout stands in the environment."""
        return self.folder / "src" / checkout.name
