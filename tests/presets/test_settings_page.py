"""docs/settings.md is what its program makes of the classes now."""

from pathlib import Path

from polymath.presets.settings_page import page

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make settings`"


def test_every_field_that_may_change_is_on_it() -> None:
    text = page()
    for name in ("PHASE.checkpoint_keep", "PHASE.loss.error", "layout.chunk_length", "mesh.data", "augmentation.crop"):
        assert f"| `{name}` |" in text
