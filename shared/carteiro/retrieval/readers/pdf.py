"""PDF: the text of each page."""

import io

from pypdf import PdfReader
from pypdf.errors import DependencyError, LimitReachedError, PyPdfError

from carteiro.retrieval.readers.errors import FileRejected
from carteiro.retrieval.readers.file_text import FileText

MAX_PAGES = 10_000
_BETWEEN_PAGES = "\n\n"
_ENCRYPTED = "the PDF is encrypted, and needs a password"


def read_pdf(data: bytes, max_characters: int) -> FileText:
    """Return the text of a PDF. Raise `FileRejected` if it is encrypted, has no text, or is damaged."""
    try:
        return _read(data, max_characters)
    except DependencyError:
        raise FileRejected(_ENCRYPTED) from None
    except LimitReachedError:
        raise FileRejected("the PDF is too large when it is unpacked", is_too_large=True) from None
    except (PyPdfError, ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError, OSError):
        # Damaged files end in many of Python's own errors.
        raise FileRejected("the file is damaged, or is no PDF") from None


def _read(data: bytes, max_characters: int) -> FileText:
    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        raise FileRejected(_ENCRYPTED)
    if len(reader.pages) > MAX_PAGES:
        raise FileRejected(f"the PDF has more than {MAX_PAGES} pages", is_too_large=True)
    pages: list[str] = []
    starts: list[int] = []
    length = 0
    for page in reader.pages:
        text = page.extract_text().strip()
        starts.append(length)
        pages.append(text)
        length += len(text) + len(_BETWEEN_PAGES)
        if length > max_characters + len(_BETWEEN_PAGES):
            raise FileRejected(f"the text of the PDF has more than {max_characters} characters", is_too_large=True)
    if not any(pages):
        raise FileRejected("the PDF has no text: its pages are pictures, which have to be recognised first")
    title = reader.metadata.title if reader.metadata else None
    return FileText(_BETWEEN_PAGES.join(pages), " ".join(str(title or "").split())[:1000], tuple(starts))
