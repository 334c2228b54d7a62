"""How published models normalise their pixels: (value / 255 - mean) / deviation, per channel of RGB."""

from pathlib import Path

from polymath.errors import ConfigError
from polymath.model.weights.fields import Fields, is_number, read_fields
from polymath.model.weights.stated import Statement, Statements

PREPROCESSOR, PROCESSOR = "preprocessor_config.json", "processor_config.json"
REMEDY = "a model that sees other pixels than it was trained on is worse without a sign; fetch the file, or write it"


def preprocessor_statements(folder: Path) -> Statements:
    """Of preprocessor_config.json, or of `image_processor` in the processor_config.json of transformers 5.

    {} if there is neither. Raises ConfigError for a normalisation that is not the one of this file's docstring.
    """
    fields = _preprocessor(folder)
    if fields is None:
        return {}
    if fields.only("do_normalize", True, False, None) is False:
        statements = {
            ours: Statement((number,) * 3, fields.path, fields.name("do_normalize"), False)
            for ours, number in (("mean", 0.0), ("std", 1.0))
        }
    else:
        statements = channels(fields, "image_mean", "image_std")
    scale = fields.take("rescale_factor")
    fields.only("do_rescale", True, None)
    if scale is not None and not (is_number(scale) and abs(scale * 255 - 1) < 1e-3):
        fields.refuse("rescale_factor", "pixels are divided by 255 here", "use another model")
    fields.only("do_flip_channel_order", False, None)
    fields.only("offset", False, None)
    return statements


def channels(fields: Fields, mean: str, std: str) -> Statements:
    """The statements of two fields that hold a number for each channel; a missing one is left out."""
    statements: Statements = {}
    for ours, name in (("mean", mean), ("std", std)):
        numbers = fields.take(name)
        if numbers is None:
            continue
        if not isinstance(numbers, list) or len(numbers) != 3 or not all(map(is_number, numbers)):
            fields.refuse(name, "it must be three numbers", "fetch the file again")
        if ours == "std" and not all(number > 0 for number in numbers):
            fields.refuse(name, "a standard deviation is above 0", "fetch the file again")
        statements[ours] = Statement(tuple(map(float, numbers)), fields.path, fields.name(name), numbers)
    return statements


def require_pixels(statements: Statements, file: Path, mean: str) -> None:
    """Raise ConfigError where the mean or the deviation is stated nowhere; `file` and `mean`: where they should be."""
    if "mean" in statements and "std" in statements:
        return
    if not file.exists():
        raise ConfigError(f"{file}: no such file, so the mean and deviation of the pixels are not known; {REMEDY}")
    raise ConfigError(f"{file}: has no field {mean!r} with its deviation; {REMEDY}")


def _preprocessor(folder: Path) -> Fields | None:
    if (folder / PREPROCESSOR).exists():
        return read_fields(folder / PREPROCESSOR)
    if (folder / PROCESSOR).exists():
        return read_fields(folder / PROCESSOR).section("image_processor")
    return None
