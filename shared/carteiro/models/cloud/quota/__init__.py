"""As many calls of a model as its quota takes, shared with other workers that nobody talks to."""

from carteiro.models.cloud.quota.controller import Call, Controller
from carteiro.models.cloud.quota.queue import Place, Quota

__all__ = ["Call", "Controller", "Place", "Quota"]
