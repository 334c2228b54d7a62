"""What the folder of a published vision transformer says about itself.

Neither the activation, nor the number of heads, nor epsilon shows in the shapes of the weights. They stand in

    config.json                                       Hugging Face's models, and timm's
    open_clip_config.json                             open_clip's, and timm's that were trained by open_clip
    preprocessor_config.json, processor_config.json   mean and standard deviation of the pixels, Hugging Face
"""

from collections.abc import Mapping
from pathlib import Path

from polymath.errors import ConfigError
from polymath.model import vit
from polymath.model.weights import big_vision, open_clip, pixels, timm
from polymath.model.weights.hf_vision_config import hugging_face_statements
from polymath.model.weights.layout import Layout
from polymath.model.weights.open_clip_config import open_clip_statements, timm_in_open_clip_statements
from polymath.model.weights.stated import Statements, applied, check, refuse
from polymath.model.weights.tensors import Shape
from polymath.model.weights.timm_config import timm_statements

TIMM = (timm.LAYOUT, timm.EVA)
CONFIG, OPEN_CLIP = "config.json", "open_clip_config.json"
STEMS = ("model", "open_clip_model", "open_clip_pytorch_model")  # of weights that the files beside them describe


def check_description(path: Path, layout: Layout, config: vit.Config, shapes: Mapping[str, Shape]) -> None:
    """Raise CheckpointError where the files beside the weights at `path` disagree with `config`.

    shapes: of the tower's tensors, without its prefix. Raises ConfigError for a field that is damaged or not known; a
    file that is missing is skipped.
    """
    folder = described_folder(path)
    if folder is not None:
        statements = statements_in(folder, layout, shapes)
        check(statements, config)
        _check_tensors(statements, layout, shapes)


def stated_config(path: Path, layout: Layout, shapes: Mapping[str, Shape]) -> vit.Config | None:
    """The configuration that the files beside the weights at `path` state; None for weights without such files.

    Raises ConfigError for a folder without them, for a normalisation of the pixels that no file states, and for what
    `check_description` refuses.
    """
    folder = described_folder(path)
    if folder is None or layout is big_vision.LAYOUT:
        return None
    statements = statements_in(folder, layout, shapes)
    name, pixels_file, mean = CONFIG, pixels.PREPROCESSOR, "image_mean"
    if layout in TIMM:
        pixels_file, mean = CONFIG, "pretrained_cfg.mean"
    if layout is open_clip.LAYOUT or (layout in TIMM and (folder / OPEN_CLIP).exists()):
        name, pixels_file, mean = OPEN_CLIP, OPEN_CLIP, "preprocess_cfg.mean"
    if not (folder / name).exists():
        if path.is_file():
            return None
        raise ConfigError(
            f"{folder / name}: no such file, and the sizes of the vision transformer stand there; fetch the whole "
            "folder, or give the file of weights itself and set model.vit"
        )
    _check_tensors(statements, layout, shapes)
    pixels.require_pixels(statements, folder / pixels_file, mean)
    return applied(statements, folder)


def described_folder(path: Path) -> Path | None:
    """The folder whose files describe the weights at `path`; None for a file of another name than usual."""
    if path.is_file():
        return path.parent if path.stem in STEMS else None
    return path


def statements_in(folder: Path, layout: Layout, shapes: Mapping[str, Shape]) -> Statements:
    """A timm tower may stand in a folder of open_clip, whose file names it."""
    if layout.families:
        return hugging_face_statements(folder / CONFIG, layout, shapes) | pixels.preprocessor_statements(folder)
    if layout is open_clip.LAYOUT:
        return open_clip_statements(folder / OPEN_CLIP)
    if layout in TIMM and (folder / OPEN_CLIP).exists():
        return timm_in_open_clip_statements(folder / OPEN_CLIP, shapes)
    if layout in TIMM:
        return timm_statements(folder / CONFIG, shapes)
    return {}


def _check_tensors(statements: Statements, layout: Layout, shapes: Mapping[str, Shape]) -> None:
    """Raise ConfigError where the class token or the number of position embeddings is not what the files state."""
    token, size, patch = (statements.get(name) for name in ("class_token", "image_size", "patch"))
    if token is None or size is None or patch is None:
        return
    if (layout.class_token in shapes) != token.value:
        reason = f"the file of weights beside it holds {'no' if token.value else 'a'} class token"
        refuse(token, reason, "fetch the whole folder again")
    table = shapes.get(layout.positions)
    if table is None:
        return
    rows = table[-2] if len(table) > 1 else 0
    expected = (size.value // patch.value) ** 2 + token.value
    without_token = layout in TIMM and rows + token.value == expected
    if rows != expected and not without_token:
        refuse(size, f"the file has {rows} position embeddings, not {expected}", "fetch the folder again")
