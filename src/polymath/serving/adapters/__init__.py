"""Robot adapters: what a client calls its pictures and numbers, and how it reads them, as data.

adapter = adapter_named("droid")          # or the path of a TOML file, or an entry point `polymath.adapters`
bound = bind(adapter, contract)           # refuses a checkpoint of other conventions, with both sides printed
observation = bound.observation(message)
actions = bound.actions(chunk.actions, observation)
"""

from polymath.serving.adapters.adapter import Adapter, adapter_named, adapter_names, load
from polymath.serving.adapters.binding import Bound, bind, bind_named

__all__ = ["Adapter", "Bound", "adapter_named", "adapter_names", "bind", "bind_named", "load"]
