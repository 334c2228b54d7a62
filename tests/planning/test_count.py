"""The demo's parameters, worked out by hand from its widths."""

from polymath.planning.count import count_by_part
from polymath.presets import PRESETS, preset


def test_parts_add_up() -> None:
    for recipe in PRESETS.values():
        parts = count_by_part(recipe.model)
        assert parts.pop("total") == sum(parts.values())
        assert min(parts.values()) > 0


def test_parts_with_a_closed_form() -> None:
    model = preset("demo").model
    parts = count_by_part(model)
    width = model.decoder.width
    assert parts["embedding"] == model.decoder.vocabulary * width
    assert parts["state"] == model.state_dim * width + width
