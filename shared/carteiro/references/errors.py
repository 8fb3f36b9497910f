"""Failures of reads and writes outside Kafka. No message holds a key, a query or a library's own words."""


class AddressInvalid(ValueError):
    """A text is no address that can be read or written. The message says why, and does not repeat it."""


class ReferenceRefused(Exception):
    """An address, or the content at it, cannot be read as a text, now or later."""

    def __init__(self, reason: str, *, uri: str = "", is_too_large: bool = False) -> None:
        """`uri` is the address as the request has it, if the error leaves this package."""
        super().__init__(reason)
        self.reason, self.uri, self.is_too_large = reason, uri, is_too_large


class StoreRefused(Exception):
    """A bucket does not take an object, now or later: it does not exist, or denies the access."""


class StoreInvalid(ValueError):
    """A bucket cannot be opened with the environment variables that are there."""


class StoreUnavailable(Exception):
    """A store cannot be reached, or fails by itself. A later try may succeed."""


class TextUnavailable(StoreUnavailable):
    """One text cannot be read now. Its sender may be the cause: as the owner of the HTTPS server, or by storing
    the object so that the store does not give it.
    """

    def __init__(self, reason: str, *, is_slow: bool = False) -> None:
        """`is_slow` is True if all time for the text was used. Then it is not tried again."""
        super().__init__(reason)
        self.is_slow = is_slow
