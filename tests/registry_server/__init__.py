"""Local Schema Registry for tests: a real HTTP server that speaks the documented REST API, including its faults.

https://docs.confluent.io/platform/current/schema-registry/develop/api.html
"""

from tests.registry_server.server import RegistryServer

__all__ = ["RegistryServer"]
