"""Exported models on the Hugging Face Hub (HF_ENDPOINT and HF_TOKEN as for every Hugging Face tool)."""

import re
from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError

from polymath.errors import PolymathError


def fetch(source: str, revision: str | None = None) -> Path:
    """A local directory as it is, else the Hub's repository ORG/NAME, downloaded. Raises PolymathError for neither.

    `revision` of the repository: a branch, a tag or a commit; the newest if left out.
    """
    if Path(source).is_dir():
        return Path(source)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", source):
        raise PolymathError(f"{source}: no such directory, nor a name of the form ORG/NAME on the Hub")
    try:
        return Path(huggingface_hub.snapshot_download(source, revision=revision))
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise PolymathError(f"{source}: cannot be fetched from the Hub: {str(error).splitlines()[0]}") from error


def push(directory: Path, repository: str) -> str:
    """Upload an exported directory to ORG/NAME, which is created if it is missing; returns the commit's address."""
    api = huggingface_hub.HfApi()
    try:
        api.create_repo(repository, exist_ok=True)
        return str(api.upload_folder(repo_id=repository, folder_path=directory, commit_message="Export of Polymath-V"))
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise PolymathError(f"{repository}: cannot be uploaded to the Hub: {str(error).splitlines()[0]}") from error
