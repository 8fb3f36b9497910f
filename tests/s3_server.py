"""A real S3 server on a local socket, moto's, with a bucket."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

BUCKET = "letters"


class S3Server:
    """Server of S3 with the bucket `BUCKET`. `environment` leads a worker or a client to it."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._port = 0
        self.start()
        self.url = f"http://127.0.0.1:{self._port}"
        self.environment = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "key-id",
            "AWS_SECRET_ACCESS_KEY": "s3-secret",
            "AWS_REGION": "us-east-1",
        }
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="key-id",
            aws_secret_access_key="s3-secret",
        )
        self._client.create_bucket(Bucket=BUCKET)

    def start(self) -> None:
        """Start, after a stop on the same port and with the same objects."""
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self._port, verbose=False)
        self._server.start()
        _, self._port = self._server.get_host_and_port()

    def put(self, key: str, body: bytes, **options: str) -> str:
        """Write an object. Return its address."""
        self._client.put_object(Bucket=BUCKET, Key=key, Body=body, **options)
        return f"s3://{BUCKET}/{key}"

    def get(self, uri: str) -> bytes:
        """Return the object at an address."""
        key = uri.removeprefix(f"s3://{BUCKET}/")
        body: bytes = self._client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return body

    def keys(self, prefix: str = "") -> list[str]:
        """Return the keys of the objects whose keys begin with `prefix`."""
        found = self._client.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [each["Key"] for each in found.get("Contents", [])]

    def stop(self) -> None:
        self._server.stop()


@contextmanager
def running_s3() -> Iterator[S3Server]:
    server = S3Server()
    try:
        yield server
    finally:
        server.stop()
