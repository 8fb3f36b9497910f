"""Keys from the environment, or from a file that may be replaced while the service runs."""

from pathlib import Path

from pydantic import SecretStr

from carteiro.models.failures import ModelUnusable


class Key:
    """A key that does not expire by itself. With a file it is read again when the file has changed, or when the
    provider refused it; a file that is away or rubbish for a moment leaves the last key in use.

    Raises `ModelUnusable` where there is no key to begin with. Its value stands in no message.
    """

    def __init__(self, variable: str, value: SecretStr | None, file: Path | None) -> None:
        self._file = file
        self._seen: tuple[int, int, int] | None = None
        self.variable = f"{variable}_FILE" if file else variable
        if value and file:
            raise ModelUnusable(f"{variable} and {variable}_FILE are both set: unset one of them")
        try:
            self._key = _checked(value.get_secret_value() if value else self._read())
        except OSError as error:
            raise ModelUnusable(f"{self.variable}: {file} cannot be read ({error.strerror})") from None
        except ValueError as error:
            raise ModelUnusable(f"{self.variable} holds {error}") from None

    async def check(self) -> None:
        """Checked when it was made."""

    async def secret(self, refused: str | None = None) -> str:
        """The key as it is now."""
        if self._file:
            try:
                if refused == self._key or self._seen != self._stamp():
                    self._key = _checked(self._read())
            except (OSError, ValueError):
                pass
        return self._key

    async def close(self) -> None:
        """Nothing is open."""

    def _read(self) -> str:
        assert self._file
        # Before the text: a change between the two is then seen the next time.
        self._seen = self._stamp()
        return self._file.read_text()

    def _stamp(self) -> tuple[int, int, int]:
        assert self._file
        now = self._file.stat()
        return now.st_mtime_ns, now.st_ino, now.st_size


class NoKey:
    """The credential of a server that asks for none; `variable` would hold one."""

    def __init__(self, variable: str) -> None:
        self.variable = variable

    async def check(self) -> None:
        """Nothing to find."""

    async def secret(self, refused: str | None = None) -> str:  # noqa: ARG002
        """Empty."""
        return ""

    async def close(self) -> None:
        """Nothing is open."""


def find_key(variable: str, value: SecretStr | None, file: Path | None) -> Key | None:
    """The key in `variable` or in the file that `variable`_FILE names; None where neither is set."""
    return Key(variable, value, file) if value or file else None


def _checked(text: str) -> str:
    key = text.strip()  # a secret in a file often ends in a line break
    if not key:
        raise ValueError("no key")
    if not (key.isascii() and key.isprintable()):
        raise ValueError("characters that no key has, such as a line break or an accent")
    return key
