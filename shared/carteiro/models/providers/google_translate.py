"""Google's Cloud Translation: `google-translate:`, or `google-translate:MODEL`.

MODEL is `general/nmt`, `general/translation-llm`, or the id of a custom model in CARTEIRO_GOOGLE_TRANSLATE_LOCATION;
CARTEIRO_GOOGLE_TRANSLATE_GLOSSARY is the id of a glossary there. Both may be whole resource names. The project is
GOOGLE_CLOUD_PROJECT, the credential that of Application Default Credentials: version 3 takes no keys.
"""

import re
from typing import Any

from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.language.provider import language_service_provider
from carteiro.models.errors import ModelUnusable
from carteiro.models.providers.google import application_default_credential
from carteiro.models.providers.google_language import quota_project
from carteiro.models.settings import ModelSettings

TRANSLATE_URL = "https://translate.googleapis.com"
_RESOURCE = re.compile(r"projects/([\w:.-]+)/locations/([\w-]+)/(?:models|glossaries)/[\w./-]+")
_NAME = re.compile(r"[\w.-]+(?:/[\w.-]+)?")


def service(name: str, model: str, settings: ModelSettings) -> tuple[Any, Endpoint, dict[str, Any]]:
    """Return the translator, its endpoint and its arguments. `name` is the model's name in messages.

    Raise `ModelUnusable` if the project is missing, or if the model and the glossary cannot be in one region.
    """
    from carteiro.models.cloud.language.google_translate import GoogleTranslate

    project = settings.google_cloud_project
    if not project:
        raise ModelUnusable(f"{name} needs GOOGLE_CLOUD_PROJECT, and GOOGLE_APPLICATION_CREDENTIALS")
    glossary = settings.google_translate_glossary
    named = [each for each in map(_RESOURCE.fullmatch, (model, glossary or "")) if each]
    # A resource names its own region; the call has to go there.
    location = named[0][2] if named else settings.google_translate_location
    if any(each[2] != location for each in named):
        raise ModelUnusable(f"{name}: the model and the glossary are in different regions, {location} and another")
    parent = f"projects/{project}/locations/{location}"
    if not re.fullmatch(r"projects/[\w:.-]+/locations/[\w-]+", parent):
        raise ModelUnusable(f"{name}: GOOGLE_CLOUD_PROJECT or CARTEIRO_GOOGLE_TRANSLATE_LOCATION is no name")
    if glossary and location == "global":
        raise ModelUnusable(
            f"{name}: a glossary is in a region: set CARTEIRO_GOOGLE_TRANSLATE_LOCATION, such as us-central1"
        )
    endpoint = Endpoint(
        model=model,
        url=f"{(settings.google_translate_url or TRANSLATE_URL).rstrip('/')}/v3/projects/{project}/locations",
        api="chat",
        credential=application_default_credential(name),
        headers=quota_project(settings),
        not_found_hint="the model's name, GOOGLE_CLOUD_PROJECT, CARTEIRO_GOOGLE_TRANSLATE_LOCATION and "
        "CARTEIRO_GOOGLE_TRANSLATE_GLOSSARY",
    )
    return (
        GoogleTranslate,
        endpoint,
        {
            "location": location,
            "model": _resource(name, model, f"{parent}/models"),
            "glossary": _resource(name, glossary, f"{parent}/glossaries"),
        },
    )


def _resource(name: str, resource: str | None, parent: str) -> str | None:
    """Return the whole name of a resource in `parent`; None if nothing is named. Raise `ModelUnusable` for a wrong
    name."""
    if not resource or _RESOURCE.fullmatch(resource):
        return resource or None
    if not _NAME.fullmatch(resource):
        raise ModelUnusable(f"{name}: {resource[:60]!r} is no model or glossary")
    return f"{parent}/{resource}"


PROVIDER = language_service_provider(
    scheme="google-translate",
    form="google-translate: (or google-translate:MODEL)",
    service=service,
    telemetry_name="gcp.translate",
    tasks=("translate",),
)
