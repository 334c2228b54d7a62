"""What a published layout of a vision transformer is."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from polymath.model import vit
from polymath.model.weights.rules import Rules
from polymath.model.weights.tensors import Shape


@dataclass(frozen=True)
class Layout:
    """prefixes: where the vision tower's names may start; anchor: the patch embedding, which tells the layout.

    positions, class_token: the names of those tensors; layer: finds a layer's number in a name; ignored: names inside
    the tower that our model has no use for; families: the `model_type`s of Hugging Face whose weights look like this;
    marker: a name that is there, or is not, where two layouts have the same anchor.
    """

    name: str
    prefixes: tuple[str, ...]
    anchor: str
    positions: str
    class_token: str
    layer: str
    ignored: tuple[str, ...]
    rules: Callable[[vit.Config], Rules]
    families: tuple[str, ...] = ()
    marker: tuple[str, bool] | None = None
    width_last: bool = False  # of the anchor's axes; else the width is the first

    def found_in(self, names: Mapping[str, Shape]) -> list[str]:
        """Where towers of this layout start in the file: prefixes of their names."""
        places = [prefix for prefix in self.prefixes if prefix + self.anchor in names]
        if self.marker is None:
            return places
        name, is_there = self.marker
        return [prefix for prefix in places if (prefix + name in names) == is_there]

    def describe(self, shapes: Mapping[str, Shape], prefix: str) -> str:
        """What the file looks like, for an error message."""
        anchor = shapes[prefix + self.anchor]
        if len(anchor) < 2:
            return f"it looks like {self.name}, but its {self.anchor} has shape {list(anchor)}"
        width, patch = (anchor[-1], anchor[0]) if self.width_last else (anchor[0], anchor[-1])
        tower = [name for name in shapes if name.startswith(prefix)]
        layers = {match[1] for name in tower if (match := re.match(self.layer, name.removeprefix(prefix)))}
        return f"it looks like {self.name} with width {width}, {len(layers)} layers and patch {patch}"

    def ignores(self, name: str) -> bool:
        return any(re.fullmatch(pattern, name) for pattern in self.ignored)
