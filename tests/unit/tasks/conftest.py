"""The fixture of the tests of services."""

from tests.unit.services.conftest import ask  # noqa: F401
