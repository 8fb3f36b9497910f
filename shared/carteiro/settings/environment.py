"""The settings in the environment, checked when they are loaded."""

from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from carteiro.schemas.field_errors import field_errors
from carteiro.settings.kafka import KafkaSettings
from carteiro.settings.worker import WorkerSettings

if TYPE_CHECKING:
    from carteiro.models.settings import ModelSettings

SettingsT = TypeVar("SettingsT", bound=BaseSettings)


class SettingsInvalid(Exception):
    """Invalid settings. The message has a line for each, which begins with the variable."""


def load_settings() -> "tuple[WorkerSettings, ModelSettings]":
    """Return the settings in the environment. Raise `SettingsInvalid` if a value is wrong."""
    from carteiro.models.settings import ModelSettings

    return _load(WorkerSettings), _load(ModelSettings)


def load_kafka_settings() -> KafkaSettings:
    """Return only the settings of Kafka. Raise `SettingsInvalid` if a value is wrong."""
    return _load(KafkaSettings)


def _load(settings_type: type[SettingsT]) -> SettingsT:
    try:
        return settings_type()
    except ValidationError as error:
        # The value is left out: it may be a secret.
        lines = [
            f"{env_variable(settings_type, each.field.partition('.')[0])}: {each.reason}"
            for each in field_errors(error)
        ]
        raise SettingsInvalid("\n".join(lines)) from None


def env_variable(settings_type: type[BaseSettings], field: str) -> str:
    """Return the environment variable of a field."""
    info = settings_type.model_fields.get(field)
    if info is None or info.validation_alias:
        return str(info.validation_alias if info else field)
    return f"{settings_type.model_config.get('env_prefix', '')}{field}".upper()
