"""Word's .docx: paragraphs, headings, lists and tables."""

import io
import zipfile

import mammoth

from carteiro.retrieval.readers.errors import FileRejected
from carteiro.retrieval.readers.file_text import FileText
from carteiro.retrieval.readers.html import text_of_html

_MAX_UNPACKED_BYTES = 512 * 1024 * 1024
_MAX_MEMBER_BYTES = 128 * 1024 * 1024
_MAX_MEMBERS = 10_000
_CHUNK_BYTES = 1024 * 1024
_DOCUMENT_TYPE = b"<!DOCTYPE"
_TITLE_STYLE = "p[style-name='Title'] => h1:fresh"


def read_docx(data: bytes) -> FileText:
    """Return the text of a document. Raise `FileRejected` if it is not a document, or too large unpacked."""
    _check_archive(data)
    try:
        converted = mammoth.convert_to_html(
            io.BytesIO(data),
            style_map=_TITLE_STYLE,
            convert_image=mammoth.images.img_element(lambda _: {}),
            external_file_access=False,
        )
    except Exception:  # noqa: BLE001  # damaged XML ends in errors of several libraries
        raise FileRejected("the file is damaged, or not a .docx document") from None
    return text_of_html(converted.value)


def _check_archive(data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) > _MAX_MEMBERS:
                raise FileRejected(f"the document has more than {_MAX_MEMBERS} files in it", is_too_large=True)
            sizes = [member.file_size for member in members]
            xml = [member for member in members if member.filename.endswith((".xml", ".rels"))]
            if sum(sizes) > _MAX_UNPACKED_BYTES or any(each.file_size > _MAX_MEMBER_BYTES for each in xml):
                raise FileRejected("the document is too large when it is unpacked", is_too_large=True)
            # Any of them may be the document: relationships name it.
            if any(_has_document_type(archive, each) for each in members):
                raise FileRejected("the document defines entities, which Word's own documents never do")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError, EOFError):
        raise FileRejected("the file is damaged, or not a .docx document") from None


def _has_document_type(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    """Return True if entities may be defined, which grow without a limit. A comment of any length may stand before."""
    end = b""
    with archive.open(member) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            part = end + chunk.replace(b"\0", b"")  # UTF-16 has zeros between its letters
            if _DOCUMENT_TYPE in part:
                return True
            end = part[-len(_DOCUMENT_TYPE) :]
    return False
