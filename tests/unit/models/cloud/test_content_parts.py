"""Images, files and sounds in the bodies of requests, as each API has them."""

from dataclasses import replace
from typing import Any

import pytest
from anthropic.types import DocumentBlockParam, ImageBlockParam
from openai.types.chat import ChatCompletionContentPartParam
from openai.types.responses import ResponseInputContentParam
from pydantic import ConfigDict, TypeAdapter

from carteiro.models.cloud.client import CloudModel
from carteiro.models.cloud.content_parts import chat_file, messages_file, responses_file
from carteiro.models.cloud.request_format import RequestFormat, SchemaMode
from carteiro.models.cloud.token_counts import count_prompt_tokens
from carteiro.models.errors import Unsupported
from carteiro.models.prompt import Message, PlacedFile, Prompt
from carteiro.schemas.media_file import MediaFile, read_media
from tests import media
from tests.provider import Provider
from tests.provider.catalogue.anthropic_messages import AnthropicMessages
from tests.provider.catalogue.catalogue_provider import CatalogueProvider
from tests.unit.models.cloud.cloud_models import endpoint, open_cloud_model

DETAILED = read_media(media.PNG, detail="low")
IMAGE, PDF, SOUND = read_media(media.PNG), read_media(media.PDF, "a.pdf"), read_media(media.WAV)
URL, PDF_URL = f"data:image/png;base64,{IMAGE.data}", f"data:application/pdf;base64,{PDF.data}"
SETTINGS = {
    "openai": {"OPENAI_API_KEY": "k"},
    "google": {"GEMINI_API_KEY": "k"},
    "mistral": {"MISTRAL_API_KEY": "k"},
    "anthropic": {"ANTHROPIC_API_KEY": "k"},
}


def prompt(*files: MediaFile, at: int = 4) -> Prompt:
    return Prompt(messages=[Message("user", "Why\n\nnot?", tuple(PlacedFile(each, at) for each in files))])


def parts(name: str, *files: MediaFile) -> list[dict[str, Any]]:
    body = open_cloud_model(name, **SETTINGS[name.partition(":")[0]]).body(prompt(*files))
    (message,) = body.get("messages") or body["input"]
    return message["content"]


def test_texts_and_files_keep_their_order() -> None:
    assert parts("openai:gpt-5", IMAGE) == [
        {"type": "text", "text": "Why"},
        {"type": "image_url", "image_url": {"url": URL}},
        {"type": "text", "text": "not?"},
    ]


@pytest.mark.parametrize(
    ("name", "file", "part"),
    [
        ("openai:gpt-5", PDF, {"type": "file", "file": {"filename": "a.pdf", "file_data": PDF_URL}}),
        (
            "openai:gpt-audio",
            SOUND,
            {"type": "input_audio", "input_audio": {"data": media.encoded(media.WAV), "format": "wav"}},
        ),
        (
            "openai:gpt-5",
            DETAILED,
            {"type": "image_url", "image_url": {"url": URL, "detail": "low"}},
        ),
        ("openai:gpt-5-pro", IMAGE, {"type": "input_image", "image_url": URL, "detail": "auto"}),
        ("openai:gpt-5-pro", PDF, {"type": "input_file", "filename": "a.pdf", "file_data": PDF_URL}),
        ("google:gemini", PDF, {"type": "image_url", "image_url": {"url": PDF_URL}}),
        ("mistral:m", PDF, {"type": "document_url", "document_url": PDF_URL, "document_name": "a.pdf"}),
        (
            "anthropic:claude",
            IMAGE,
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": IMAGE.data}},
        ),
        (
            "anthropic:claude",
            PDF,
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": PDF.data},
                "title": "a.pdf",
            },
        ),
    ],
)
def test_file_has_the_form_of_each_api(name: str, file: MediaFile, part: dict[str, Any]) -> None:
    assert parts(name, file)[1] == part


@pytest.mark.parametrize(
    ("name", "file", "kind"),
    [
        ("openai:gpt-3.5-turbo-instruct", IMAGE, "images"),
        ("openai:gpt-5-pro", SOUND, "sounds"),
        ("anthropic:claude", SOUND, "sounds"),
    ],
)
async def test_api_without_a_form_for_a_kind_is_not_called(name: str, file: MediaFile, kind: str) -> None:
    model = open_cloud_model(name, **SETTINGS[name.partition(":")[0]])
    with pytest.raises(Unsupported, match=f"{name} takes no {kind}$"):
        await model.complete(prompt(file))


def test_text_that_is_added_does_not_move_a_file() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    asked = Prompt(messages=[Message("system", "Be brief."), *prompt(IMAGE).messages], json_schema=schema)
    merged = RequestFormat(merges_system=True, schema=SchemaMode.PROMPT_ONLY).messages(asked)
    text, image, rest = merged[0]["content"]
    assert text["text"].startswith("Be brief.")
    assert text["text"].endswith("\n\nWhy")
    assert (image["type"], rest["text"]) == ("image_url", "not?")


ADDRESSES = {
    "openai": "OPENAI_BASE_URL",
    "google": "GOOGLE_GEMINI_BASE_URL",
    "mistral": "MISTRAL_BASE_URL",
    "anthropic": "ANTHROPIC_BASE_URL",
}


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("openai:gpt-5", (IMAGE, PDF, SOUND)),
        ("openai:gpt-5-pro", (IMAGE, PDF)),
        ("google:gemini", (IMAGE, PDF, SOUND)),
        ("mistral:m", (IMAGE, PDF)),
        ("anthropic:claude", (IMAGE, PDF)),
    ],
)
async def test_provider_reads_the_files(name: str, files: tuple[MediaFile, ...]) -> None:
    scheme = name.partition(":")[0]
    async with CatalogueProvider(AnthropicMessages()) if scheme == "anthropic" else Provider() as provider:
        address = provider.url if scheme in ("openai", "mistral") else provider.root
        model = open_cloud_model(name, **SETTINGS[scheme], **{ADDRESSES[scheme]: address})
        answered = await model.complete(prompt(*files))
        await model.close()
    sizes = {"image": len(media.PNG), "pdf": len(media.PDF), "audio": len(media.WAV)}
    seen = " ".join(f"[{each.media_type} {sizes[each.kind]}]" for each in files)
    assert answered.text == f"Why {seen} not?"


async def test_model_that_takes_no_images_is_called_once(provider: Provider) -> None:
    model = CloudModel("server:echo", endpoint(provider.url), timeout=30)
    words = "Invalid content type. image_url is only supported by certain models."
    provider.answer({"error": {"message": words, "type": "invalid_request_error", "param": None, "code": None}}, 400)
    with pytest.raises(Unsupported, match=r"^server:echo does not take the images, files or sounds of the request: "):
        await model.complete(replace(prompt(IMAGE), temperature=0.5, service_options=frozenset({"temperature"})))
    assert len(provider.requests) == 1
    await model.close()


async def test_tokens_of_files_count_for_the_quota() -> None:
    counted = await count_prompt_tokens(prompt(IMAGE, PDF), len)
    assert counted == len("Why\n\nnot?") + IMAGE.tokens + PDF.tokens


@pytest.mark.parametrize(
    ("parts", "written"),
    [
        (ChatCompletionContentPartParam, [chat_file(each) for each in (IMAGE, PDF, SOUND, DETAILED)]),
        (ResponseInputContentParam, [responses_file(each) for each in (IMAGE, PDF, DETAILED)]),
        (ImageBlockParam | DocumentBlockParam, [messages_file(each) for each in (IMAGE, PDF)]),
    ],
)
def test_parts_are_those_of_the_providers_own_sdks(parts: Any, written: list[dict[str, Any]]) -> None:
    adapter = TypeAdapter(parts, config=ConfigDict(extra="forbid", arbitrary_types_allowed=True))
    for each in written:
        adapter.validate_python(each)
