"""API keys from the environment, or from a file that may be replaced while the service runs."""

from pathlib import Path

from pydantic import SecretStr

from carteiro.models.errors import ModelUnusable


class ApiKey:
    """API key without an expiry. A key from a file is read again if the file has changed, or if the provider has
    rejected the key. If the file is missing or invalid for a moment, the last key stays in use.

    Raise `ModelUnusable` if there is no valid key at the start. No message contains the key's value.
    """

    def __init__(self, variable: str, value: SecretStr | None, file: Path | None) -> None:
        self._file = file
        self._seen: tuple[int, int, int] | None = None
        self.variable = f"{variable}_FILE" if file else variable
        if value and file:
            raise ModelUnusable(f"{variable} and {variable}_FILE are both set: unset one of them")
        try:
            self._key = _validated_key(value.get_secret_value() if value else self._read())
        except OSError as error:
            raise ModelUnusable(f"{self.variable}: {file} cannot be read ({error.strerror})") from None
        except ValueError as error:
            raise ModelUnusable(f"{self.variable} holds {error}") from None

    async def check(self) -> None:
        """No-op: the constructor has checked the key."""

    async def get_value(self, rejected: str | None = None) -> str:
        """Return the current key. Read the file again if it has changed, or if the key was `rejected`."""
        if self._file:
            try:
                if rejected == self._key or self._seen != self._stamp():
                    self._key = _validated_key(self._read())
            except (OSError, ValueError):
                pass
        return self._key

    async def close(self) -> None:
        """No-op: there is no open connection."""

    def _read(self) -> str:
        assert self._file
        # The stamp is taken before the text is read. A change between the two is then seen the next time.
        self._seen = self._stamp()
        return self._file.read_text()

    def _stamp(self) -> tuple[int, int, int]:
        assert self._file
        now = self._file.stat()
        return now.st_mtime_ns, now.st_ino, now.st_size


class NoCredential:
    """Empty credential of a server that requires none. `variable` is the setting that would hold a key."""

    def __init__(self, variable: str) -> None:
        self.variable = variable

    async def check(self) -> None:
        """No-op: there is no credential to check."""

    async def get_value(self, rejected: str | None = None) -> str:  # noqa: ARG002
        """Return the empty string."""
        return ""

    async def close(self) -> None:
        """No-op: there is no open connection."""


def load_api_key(variable: str, value: SecretStr | None, file: Path | None) -> ApiKey | None:
    """Return the key in `variable`, or in the file that `variable`_FILE names. Return None if neither is set."""
    return ApiKey(variable, value, file) if value or file else None


def _validated_key(text: str) -> str:
    key = text.strip()  # A secret in a file often ends in a line break.
    if not key:
        raise ValueError("no key")
    if not (key.isascii() and key.isprintable()):
        raise ValueError("characters that no key has, such as a line break or an accent")
    return key
