"""The settings that models need. Names that begin with `CARTEIRO_` are ours, the others are the providers' own."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ModelSettings(BaseSettings):
    """Read from the environment; secrets show as asterisks wherever they are printed."""

    model_config = SettingsConfigDict(extra="ignore", use_attribute_docstrings=True)

    timeout: float = Field(default=120.0, gt=0, validation_alias="CARTEIRO_MODEL_TIMEOUT_SECONDS")
    """Longest that one call of a model may take, in seconds; a request's deadline may be sooner."""
    openai_api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    """Key for `openai:` models."""
    openai_base_url: str | None = Field(default=None, validation_alias="OPENAI_BASE_URL")
    """Another address for `openai:` models, such as a gateway that wants the key."""
