"""What strangers wrote, made fit for a terminal: a dead letter may hold anything, escape sequences too."""

import json
from datetime import UTC, datetime


def safe(text: str) -> str:
    """The text with all that a terminal would not simply print written as escapes."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def safe_lines(text: str) -> str:
    """The same for a text of several lines."""
    return "\n".join(safe(line) for line in text.replace("\r\n", "\n").split("\n"))


def safe_bytes(value: bytes) -> str:
    """Bytes as text where they are text, else in hexadecimal, `0x...`. No text has a NUL; small numbers do."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = "\0"
    return f"0x{value.hex()}" if "\0" in text else safe(text)


def safe_value(value: bytes) -> tuple[str, str]:
    """A record's value and what it is: indented where it is JSON, as it stands where it is text, else hexadecimal."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return "not UTF-8", value.hex(" ", 4)
    try:
        return "JSON", safe_lines(json.dumps(json.loads(text), indent=2, ensure_ascii=False))
    except (ValueError, RecursionError):
        return "not JSON", safe_lines(text)


def utc(at: datetime) -> str:
    """A time in UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def utc_of(milliseconds: int) -> str:
    """The same for a record's timestamp; one that no calendar has is shown as the number it is."""
    try:
        return utc(datetime.fromtimestamp(milliseconds / 1000, UTC))
    except (ValueError, OverflowError, OSError):
        return str(milliseconds)


def _escaped(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode()
