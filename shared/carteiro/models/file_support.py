"""Refusal of the images, files and sounds that a model does not take."""

from collections.abc import Collection

from carteiro.models.errors import Unsupported
from carteiro.models.prompt import Prompt
from carteiro.schemas.media_file import MediaKind

_NAMES: dict[MediaKind, str] = {"image": "images", "pdf": "PDF files", "audio": "sounds"}


def reject_files(prompt: Prompt, name: str, taken: Collection[MediaKind] = ()) -> None:
    """Raise `Unsupported` if the prompt has files of kinds that are not `taken`. `name` is the model's name."""
    kinds = dict.fromkeys(placed.file.kind for message in prompt.messages for placed in message.files)
    if missing := [_NAMES[kind] for kind in kinds if kind not in taken]:
        raise unsupported_files(name, *missing)


def unsupported_files(name: str, *kinds: str) -> Unsupported:
    """Return the error of a model that takes no files, or not those of `kinds`."""
    return Unsupported(f"{name} takes no {' and no '.join(kinds or _NAMES.values())}")
