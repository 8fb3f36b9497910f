"""Settings of the models. Names that begin with `CARTEIRO_` are ours, the others are the providers' own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, SecretStr, create_model
from pydantic_settings import BaseSettings, SettingsConfigDict

from carteiro.models.compatible import COMPATIBLE_PROVIDERS


def _compatible_fields() -> dict[str, Any]:
    """Return a field for each key, each file of a key and each address in the table of compatible providers."""
    kinds: dict[str, Any] = {}
    for row in COMPATIBLE_PROVIDERS:
        kinds |= {row.key: SecretStr | None, f"{row.key}_FILE": Path | None, row.address: str | None}
    return {name.lower(): (kind, Field(default=None, validation_alias=name)) for name, kind in kinds.items()}


if TYPE_CHECKING:
    _CompatibleSettings = BaseSettings
else:
    _CompatibleSettings = create_model("_CompatibleSettings", __base__=BaseSettings, **_compatible_fields())


class ModelSettings(_CompatibleSettings):
    """Model settings, read from the environment. Secrets are printed as asterisks. An empty variable is not set.

    A key can be in a file instead, whose path is in the same variable with `_FILE`. It is read again when it changes.
    """

    model_config = SettingsConfigDict(extra="ignore", use_attribute_docstrings=True, env_ignore_empty=True)

    timeout: float = Field(default=120.0, gt=0, validation_alias="CARTEIRO_MODEL_TIMEOUT_SECONDS")
    """Maximum duration of one model call in seconds; a request's deadline may be sooner."""
    local_device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")] = Field(
        default="auto", validation_alias="CARTEIRO_LOCAL_DEVICE"
    )
    """Device of `local:` models: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`."""
    local_dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", validation_alias="CARTEIRO_LOCAL_DTYPE"
    )
    """Number type of `local:` models: `auto` is `bfloat16` if the device is made for it, else `float32`."""
    local_threads: int | None = Field(default=None, gt=0, validation_alias="CARTEIRO_LOCAL_THREADS")
    """Threads of `local:` models on a CPU; by default one for each core that the process may use."""
    requests_per_minute: float | None = Field(default=None, gt=0, validation_alias="CARTEIRO_REQUESTS_PER_MINUTE")
    """Maximum calls a minute of each cloud model, by one worker; the provider's own limits apply too."""
    tokens_per_minute: float | None = Field(default=None, gt=0, validation_alias="CARTEIRO_TOKENS_PER_MINUTE")
    """Maximum tokens a minute of each cloud model, prompts and completions together, by one worker."""
    max_retry_after: float = Field(default=3600.0, gt=0, validation_alias="CARTEIRO_MAX_RETRY_AFTER_SECONDS")
    """Maximum pause in seconds that a cloud provider may ask for (`Retry-After`); a longer pause is shortened to it."""
    background: bool = Field(default=False, validation_alias="CARTEIRO_BACKGROUND")
    """True if long calls of `openai:` and `azure:` models with the Responses API are made in the background: a crash
    does not repeat them. The provider stores their prompts and answers (`store`)."""
    background_min_output_tokens: int = Field(
        default=16_384, ge=0, validation_alias="CARTEIRO_BACKGROUND_MIN_OUTPUT_TOKENS"
    )
    """Limit of output tokens from which a call counts as long. So do calls of `-pro` and `deep-research` models, and
    those with the reasoning effort `high`; with 0, all calls."""
    server_api_key: SecretStr | None = Field(default=None, validation_alias="CARTEIRO_SERVER_API_KEY")
    """Key for `http://` and `https://` models."""
    server_api_key_file: Path | None = Field(default=None, validation_alias="CARTEIRO_SERVER_API_KEY_FILE")
    """File with that key."""
    openai_api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    """Key for `openai:` models."""
    openai_api_key_file: Path | None = Field(default=None, validation_alias="OPENAI_API_KEY_FILE")
    """File with that key."""
    openai_base_url: str | None = Field(default=None, validation_alias="OPENAI_BASE_URL")
    """Another address for `openai:` models, such as a gateway that accepts the key."""
    anthropic_api_key: SecretStr | None = Field(default=None, validation_alias="ANTHROPIC_API_KEY")
    """Key for `anthropic:` models."""
    anthropic_api_key_file: Path | None = Field(default=None, validation_alias="ANTHROPIC_API_KEY_FILE")
    """File with that key."""
    anthropic_base_url: str | None = Field(default=None, validation_alias="ANTHROPIC_BASE_URL")
    """Another address for `anthropic:` models."""
    aws_bearer_token_bedrock: SecretStr | None = Field(default=None, validation_alias="AWS_BEARER_TOKEN_BEDROCK")
    """Key for `bedrock:` models."""
    aws_bearer_token_bedrock_file: Path | None = Field(default=None, validation_alias="AWS_BEARER_TOKEN_BEDROCK_FILE")
    """File with that key."""
    aws_region: str | None = Field(default=None, validation_alias="AWS_REGION")
    """Region of `bedrock:` models."""
    bedrock_endpoint: str | None = Field(default=None, validation_alias="AWS_ENDPOINT_URL_BEDROCK_RUNTIME")
    """Another address for `bedrock:` models, without the path."""
    azure_openai_endpoint: str | None = Field(default=None, validation_alias="AZURE_OPENAI_ENDPOINT")
    """The resource's address for `azure:` models, such as https://NAME.openai.azure.com."""
    openai_api_version: str | None = Field(default=None, validation_alias="OPENAI_API_VERSION")
    """A dated version of Azure's API, such as 2024-10-21; without one its v1 API is called."""
    azure_openai_api_key: SecretStr | None = Field(default=None, validation_alias="AZURE_OPENAI_API_KEY")
    """Key for `azure:` models."""
    azure_openai_api_key_file: Path | None = Field(default=None, validation_alias="AZURE_OPENAI_API_KEY_FILE")
    """File with that key."""
    azure_openai_ad_token: SecretStr | None = Field(default=None, validation_alias="AZURE_OPENAI_AD_TOKEN")
    """Token of Entra ID for `azure:` models; it is used before the key."""
    azure_openai_ad_token_file: Path | None = Field(default=None, validation_alias="AZURE_OPENAI_AD_TOKEN_FILE")
    """File with that token."""
    gemini_api_key: SecretStr | None = Field(default=None, validation_alias="GEMINI_API_KEY")
    """Key for `google:` models through the Gemini API."""
    gemini_api_key_file: Path | None = Field(default=None, validation_alias="GEMINI_API_KEY_FILE")
    """File with that key."""
    google_gemini_base_url: str | None = Field(default=None, validation_alias="GOOGLE_GEMINI_BASE_URL")
    """Another address of the Gemini API."""
    google_cloud_project: str | None = Field(default=None, validation_alias="GOOGLE_CLOUD_PROJECT")
    """The project of `google:` models on Vertex AI, if no Gemini key is set."""
    google_cloud_location: str = Field(default="global", validation_alias="GOOGLE_CLOUD_LOCATION")
    """The region of Vertex AI."""
    google_vertex_base_url: str | None = Field(default=None, validation_alias="GOOGLE_VERTEX_BASE_URL")
    """Another address of Vertex AI."""

    google_cloud_quota_project: str | None = Field(default=None, validation_alias="GOOGLE_CLOUD_QUOTA_PROJECT")
    """The project that pays for `google-language:` and `google-translate:`, if it is not the credentials' own."""
    google_api_key: SecretStr | None = Field(default=None, validation_alias="GOOGLE_API_KEY")
    """Key for `google-language:`; without one, credentials are used."""
    google_api_key_file: Path | None = Field(default=None, validation_alias="GOOGLE_API_KEY_FILE")
    """File with that key."""
    google_language_url: str | None = Field(default=None, validation_alias="CARTEIRO_GOOGLE_LANGUAGE_URL")
    """Another address of Cloud Natural Language."""
    google_translate_url: str | None = Field(default=None, validation_alias="CARTEIRO_GOOGLE_TRANSLATE_URL")
    """Another address of Cloud Translation."""
    google_translate_location: str = Field(default="global", validation_alias="CARTEIRO_GOOGLE_TRANSLATE_LOCATION")
    """The region of `google-translate:`; a glossary and a custom model have one, such as `us-central1`."""
    google_translate_glossary: str | None = Field(default=None, validation_alias="CARTEIRO_GOOGLE_TRANSLATE_GLOSSARY")
    """The glossary of `google-translate:`."""
    azure_language_endpoint: str | None = Field(default=None, validation_alias="AZURE_LANGUAGE_ENDPOINT")
    """The resource's address for `azure-language:`, such as https://NAME.cognitiveservices.azure.com."""
    azure_language_key: SecretStr | None = Field(default=None, validation_alias="AZURE_LANGUAGE_KEY")
    """Key for `azure-language:`; without one, a token of Entra ID is used."""
    azure_language_key_file: Path | None = Field(default=None, validation_alias="AZURE_LANGUAGE_KEY_FILE")
    """File with that key."""
    azure_translator_endpoint: str | None = Field(default=None, validation_alias="AZURE_TEXT_TRANSLATION_ENDPOINT")
    """The resource's address for `azure-translator:`, if it is not the global one."""
    azure_translator_key: SecretStr | None = Field(default=None, validation_alias="AZURE_TEXT_TRANSLATION_APIKEY")
    """Key for `azure-translator:`; without one, a token of Entra ID is used."""
    azure_translator_key_file: Path | None = Field(default=None, validation_alias="AZURE_TEXT_TRANSLATION_APIKEY_FILE")
    """File with that key."""
    azure_translator_region: str | None = Field(default=None, validation_alias="AZURE_TEXT_TRANSLATION_REGION")
    """The resource's region, if it has one and the address is the global one."""
    azure_translator_resource: str | None = Field(default=None, validation_alias="AZURE_TEXT_TRANSLATION_RESOURCE_ID")
    """The resource's id, for a token of Entra ID at the global address."""

    def value(self, variable: str) -> Any:
        """Return the value of a compatible provider's variable; None if it is not set."""
        return getattr(self, variable.lower())
