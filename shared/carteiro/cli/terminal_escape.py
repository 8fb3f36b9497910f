"""Escape of untrusted text for a terminal: a record may hold anything, escape sequences too."""

from datetime import UTC, datetime

from carteiro.cli.json_indent import indent_json


def escape(text: str) -> str:
    """Return the text with all non-printing characters written as escapes."""
    return text if text.isprintable() else "".join(map(_escape_char, text))


def escape_lines(text: str) -> str:
    """Return a text of several lines with all non-printing characters written as escapes."""
    return "\n".join(escape(line) for line in text.replace("\r\n", "\n").split("\n"))


def escape_bytes(value: bytes) -> str:
    """Return bytes as text if they are text, else in hexadecimal, `0x...`. No text has a NUL; small numbers do."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = "\0"
    return f"0x{value.hex()}" if "\0" in text else escape(text)


def render_value(value: bytes) -> tuple[str, str]:
    """Return a note on a record's value and the value itself: indented if it is JSON, as it is if it is text, else
    hexadecimal.
    """
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return "not UTF-8", value.hex(" ", 4)
    try:
        return "JSON", escape_lines(indent_json(text))
    except (ValueError, RecursionError):
        return "not JSON", escape_lines(text)


def format_utc(at: datetime) -> str:
    """Return a time in UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def format_timestamp(milliseconds: int) -> str:
    """Return a record's timestamp in UTC, to the second; as a number if it is outside the calendar."""
    try:
        return format_utc(datetime.fromtimestamp(milliseconds / 1000, UTC))
    except (ValueError, OverflowError, OSError):
        return str(milliseconds)


def _escape_char(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode()
