"""Builds, trains, evaluates and serves vision-language-action models, in JAX.

The names below are the public interface: they follow semantic versioning, and `docs/api.md` shows each at work. All of
them are loaded at first use, so that `import polymath` costs nothing.

    policy = polymath.load_policy("run")
    [chunk] = policy.act([polymath.Observation(images, state, "open the faucet", "sawyer-metaworld")])
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # that of `typing`, which takes longer to load than all of this: Ctrl-C is not answered before
if TYPE_CHECKING:
    from typing import Any

    from polymath.api import evaluate, load_policy, open_dataset, train
    from polymath.policy import Policy
    from polymath.training.recipe import Recipe
    from polymath.types import ActionChunk, Embodiment, Observation

    __version__: str

__all__ = [
    "ActionChunk",
    "Embodiment",
    "Observation",
    "Policy",
    "Recipe",
    "__version__",
    "evaluate",
    "load_policy",
    "open_dataset",
    "train",
]

_HOMES = {
    "ActionChunk": "polymath.types",
    "Embodiment": "polymath.types",
    "Observation": "polymath.types",
    "Policy": "polymath.policy",
    "Recipe": "polymath.training.recipe",
    "evaluate": "polymath.api",
    "load_policy": "polymath.api",
    "open_dataset": "polymath.api",
    "train": "polymath.api",
}


def __getattr__(name: str) -> Any:
    """The public name, from the module that defines it (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("polymath-v")
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'polymath' has no attribute {name!r}; public are {', '.join(__all__)}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, and Python's own of a module, but nothing that this file imports for itself."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__") and name.endswith("__"))})
