"""Pages that are one HTML file each: how their templates are read, and how they are written."""

from pathlib import Path

import jinja2

from polymath.files import atomic_write


def environment(folder: Path) -> jinja2.Environment:
    """Templates of a folder: values are escaped, a name that is not given is an error, tags leave no blank lines."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write(page: str, path: Path) -> None:
    """Write the page to `path`, whole or not at all."""
    with atomic_write(Path(path)) as temporary:
        temporary.write_text(page, encoding="utf-8")
