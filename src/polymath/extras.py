"""Packages that only an extra of `pip install 'polymath-v[EXTRA]'` brings, and the one line that asks for them."""

from importlib.util import find_spec

from polymath.errors import ConfigError

# Top-level modules by extra; the first extra that brings one counts.
MODULES = {
    "sim": ("gymnasium", "metaworld", "mujoco"),
    "gym": ("gymnasium",),
    "data": ("array_record", "daft", "google", "google_crc32c", "h5py", "py3langid", "upath"),
    "compare": ("splintr",),
    "int8": ("qwix",),
    "serve": ("prometheus_client", "starlette", "uvicorn", "websockets"),
    "look": ("rerun",),
    "ray": ("ray",),
    "tpu": ("libtpu",),
}


def require(extra: str, purpose: str) -> None:
    """Raise ConfigError, one line that names the extra, if a module of it is not installed; imports nothing."""
    for module in MODULES[extra]:
        if find_spec(module) is None:
            raise ConfigError(_line(extra, module, purpose))


def advice(module: str, purpose: str) -> str | None:
    """What to install for a module (a dotted name, too) that `purpose` needs; None if no extra brings it."""
    top = module.partition(".")[0]
    extra = next((name for name, modules in MODULES.items() if top in modules), None)
    return None if extra is None else _line(extra, top, purpose)


def _line(extra: str, module: str, purpose: str) -> str:
    return f"{purpose} needs {module}, which is not installed; pip install 'polymath-v[{extra}]'"
