"""Ends with 0 where the worker of this container is ready, with 1 where it is not: the images' health check.

No client library is imported: it runs every few seconds.
"""

import http.client
import os
import sys

port = int(os.environ.get("CARTEIRO_HTTP_PORT", "8080"))
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=4)
try:
    connection.request("GET", "/readyz")
    answer = connection.getresponse()
    print(answer.read().decode())
except OSError as error:
    sys.exit(f"nothing answers on port {port}: {error}")
sys.exit(answer.status != 200)
