"""`carteiro healthcheck`. Imports only the standard library: an image runs it every few seconds."""

import http.client
import os
import sys

_TIMEOUT_SECONDS = 4


def healthcheck() -> None:
    """Exit with 0 if the worker on this machine is ready, and with 1 if it is not.

    carteiro healthcheck
    CARTEIRO_HTTP_PORT=8081 carteiro healthcheck
    """
    port = int(os.environ.get("CARTEIRO_HTTP_PORT") or "8080")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        print(answer.read().decode())
    except OSError as error:
        sys.exit(f"carteiro: nothing answers on port {port}: {error}")
    sys.exit(answer.status != http.HTTPStatus.OK)
