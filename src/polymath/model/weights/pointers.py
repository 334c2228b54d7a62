"""Git LFS pointers: what a clone without `git lfs` holds in a large file's place."""

from pathlib import Path

from polymath.errors import CheckpointError

MAGIC = b"version https://git-lfs"


def refuse_pointer(path: Path) -> None:
    """Raise CheckpointError if the file is a pointer, 130 bytes of text that name the real one, or unreadable."""
    try:
        with path.open("rb") as file:
            start = file.read(len(MAGIC))
    except OSError as error:
        raise CheckpointError(f"{path}: no such file, or not readable ({error.strerror}); fetch it again") from None
    if start == MAGIC:
        raise CheckpointError(
            f"{path}: a Git LFS pointer instead of the file itself; run `git lfs pull` there, or download the file"
        )
