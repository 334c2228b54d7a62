"""Compiled programs on disk, so that a restart of a training does not compile its step again.

In $JAX_COMPILATION_CACHE_DIR, or else in HOME/compiled (`polymath.home`), which the server uses too.
JAX_ENABLE_COMPILATION_CACHE=false keeps none.
"""

from typing import Any

import jax
from jax.experimental.compilation_cache import compilation_cache

from polymath.home import home


def keep_programs() -> str | None:
    """Keep compiled programs, unless jax was told where to, or not to; what to tell the user, if they cannot be kept.

    A setting of the whole process.
    """
    settings: Any = jax.config
    if settings.jax_compilation_cache_dir is not None or not settings.jax_enable_compilation_cache:
        return None
    place = home() / "compiled"
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return (
            f"{place}: cannot be made ({error.strerror}), so each restart compiles again; set POLYMATH_HOME to a "
            "directory where you may write"
        )
    settings.update("jax_compilation_cache_dir", str(place))
    compilation_cache.reset_cache()  # jax decides at its first program whether there is a cache
    return None
