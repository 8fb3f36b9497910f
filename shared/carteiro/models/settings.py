"""The settings that models need. Names that begin with `CARTEIRO_` are ours, the others are the providers' own."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ModelSettings(BaseSettings):
    """Read from the environment; secrets show as asterisks wherever they are printed. An empty one is not set.

    A key can stand in a file instead, named by the same variable with `_FILE`: it is read again when it changes.
    """

    model_config = SettingsConfigDict(extra="ignore", use_attribute_docstrings=True, env_ignore_empty=True)

    timeout: float = Field(default=120.0, gt=0, validation_alias="CARTEIRO_MODEL_TIMEOUT_SECONDS")
    """Longest that one call of a model may take, in seconds; a request's deadline may be sooner."""
    local_device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")] = Field(
        default="auto", validation_alias="CARTEIRO_LOCAL_DEVICE"
    )
    """Where `local:` models run: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`."""
    local_dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", validation_alias="CARTEIRO_LOCAL_DTYPE"
    )
    """What they compute with: `auto` is `bfloat16` where the device is made for it, else `float32`."""
    local_threads: int | None = Field(default=None, gt=0, validation_alias="CARTEIRO_LOCAL_THREADS")
    """Threads that they take on a CPU; without it, one for each core that the process may use."""
    requests_per_minute: float | None = Field(default=None, gt=0, validation_alias="CARTEIRO_REQUESTS_PER_MINUTE")
    """Most calls a minute of each model in a cloud, by one worker; what the provider says counts too."""
    tokens_per_minute: float | None = Field(default=None, gt=0, validation_alias="CARTEIRO_TOKENS_PER_MINUTE")
    """Most tokens a minute, prompts and completions together, in the same way."""
    server_api_key: SecretStr | None = Field(default=None, validation_alias="CARTEIRO_SERVER_API_KEY")
    """Key for `http://` and `https://` models."""
    server_api_key_file: Path | None = Field(default=None, validation_alias="CARTEIRO_SERVER_API_KEY_FILE")
    """File with that key."""
    openai_api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    """Key for `openai:` models."""
    openai_api_key_file: Path | None = Field(default=None, validation_alias="OPENAI_API_KEY_FILE")
    """File with that key."""
    openai_base_url: str | None = Field(default=None, validation_alias="OPENAI_BASE_URL")
    """Another address for `openai:` models, such as a gateway that wants the key."""
    azure_openai_endpoint: str | None = Field(default=None, validation_alias="AZURE_OPENAI_ENDPOINT")
    """The resource's address for `azure:` models, such as https://NAME.openai.azure.com."""
    openai_api_version: str | None = Field(default=None, validation_alias="OPENAI_API_VERSION")
    """A dated version of Azure's API, such as 2024-10-21; without one its v1 API is called."""
    azure_openai_api_key: SecretStr | None = Field(default=None, validation_alias="AZURE_OPENAI_API_KEY")
    """Key for `azure:` models."""
    azure_openai_api_key_file: Path | None = Field(default=None, validation_alias="AZURE_OPENAI_API_KEY_FILE")
    """File with that key."""
    azure_openai_ad_token: SecretStr | None = Field(default=None, validation_alias="AZURE_OPENAI_AD_TOKEN")
    """Token of Entra ID for `azure:` models, before the key."""
    azure_openai_ad_token_file: Path | None = Field(default=None, validation_alias="AZURE_OPENAI_AD_TOKEN_FILE")
    """File with that token."""
    gemini_api_key: SecretStr | None = Field(default=None, validation_alias="GEMINI_API_KEY")
    """Key for `google:` models through the Gemini API."""
    gemini_api_key_file: Path | None = Field(default=None, validation_alias="GEMINI_API_KEY_FILE")
    """File with that key."""
    google_gemini_base_url: str | None = Field(default=None, validation_alias="GOOGLE_GEMINI_BASE_URL")
    """Another address of the Gemini API."""
    google_cloud_project: str | None = Field(default=None, validation_alias="GOOGLE_CLOUD_PROJECT")
    """The project of `google:` models on Vertex AI, where no Gemini key is set."""
    google_cloud_location: str = Field(default="global", validation_alias="GOOGLE_CLOUD_LOCATION")
    """The region of Vertex AI."""
    google_vertex_base_url: str | None = Field(default=None, validation_alias="GOOGLE_VERTEX_BASE_URL")
    """Another address of Vertex AI."""
