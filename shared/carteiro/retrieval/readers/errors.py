"""Failures of reading a file."""


class FileRejected(Exception):
    """A file cannot be read as a text, now or later. The reason is for its sender."""

    def __init__(self, reason: str, *, is_too_large: bool = False) -> None:
        """`is_too_large` is True if the file is over a limit of size, memory or time."""
        super().__init__(reason)
        self.reason, self.is_too_large = reason, is_too_large

    @property
    def code(self) -> str:
        """The error code of a reply: `too_large` or `unreadable`."""
        return "too_large" if self.is_too_large else "unreadable"


def check_length(text: str, max_characters: int) -> None:
    """Raise `FileRejected` if a text is too long."""
    if len(text) > max_characters:
        raise FileRejected(f"the file's text has more than {max_characters} characters", is_too_large=True)
