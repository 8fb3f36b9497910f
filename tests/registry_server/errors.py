"""Errors in the registry's own form."""


class RegistryError(Exception):
    """An error that the server answers with."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def subject_not_found(subject: str) -> RegistryError:
    return RegistryError(404, 40401, f"Subject '{subject}' not found.")


def version_not_found(version: object) -> RegistryError:
    return RegistryError(404, 40402, f"Version {version} not found.")


def schema_not_found(schema: object) -> RegistryError:
    return RegistryError(404, 40403, f"Schema {schema} not found")


def invalid_schema(reason: object) -> RegistryError:
    return RegistryError(422, 42201, f"Invalid schema: {reason}")


def invalid_version(version: object) -> RegistryError:
    return RegistryError(422, 42202, f"The specified version '{version}' is not a valid version id.")


def invalid_level(level: object) -> RegistryError:
    return RegistryError(422, 42203, f"Invalid compatibility level {level}.")


def incompatible(subject: str, reasons: list[str]) -> RegistryError:
    details = "; ".join(reasons)
    start = "Schema being registered is incompatible with an earlier schema for subject"
    return RegistryError(409, 409, f'{start} "{subject}", details: {details}')
