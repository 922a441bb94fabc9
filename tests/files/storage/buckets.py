"""A bucket of a test, looked at with the vendor's own client and not with ours."""

from __future__ import annotations

from itertools import count
from typing import Any

import boto3  # pyright: ignore[reportMissingTypeStubs]
from moto.server import ThreadedMotoServer

_NUMBERS = count(1)


class S3Server:
    """
    A server that speaks S3.

    Attributes:
        environment: What a process needs to use it.
    """

    def __init__(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "an-access-key",
            "AWS_SECRET_ACCESS_KEY": "a-secret-key",
            "AWS_REGION": "us-east-1",
        }
        self.client: Any = boto3.client(  # type: ignore[no-untyped-call]
            "s3",
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            aws_access_key_id="an-access-key",
            aws_secret_access_key="a-secret-key",
            region_name="us-east-1",
        )

    def close(self) -> None:
        """Stop it."""
        self.client.close()
        self._server.stop()


class Bucket:
    """
    A bucket of its own.

    Attributes:
        address: Such as `s3://films-1`.
    """

    def __init__(self, server: S3Server) -> None:
        self._name = f"films-{next(_NUMBERS)}"
        self._client = server.client
        self._client.create_bucket(Bucket=self._name)
        self.address = f"s3://{self._name}"

    def names(self) -> list[str]:
        """What is in it."""
        return [item["Key"] for item in self._client.list_objects_v2(Bucket=self._name).get("Contents", [])]

    def read(self, key: str) -> bytes:
        """The bytes of an object."""
        body: bytes = self._client.get_object(Bucket=self._name, Key=key)["Body"].read()
        return body

    def kind(self, key: str) -> str:
        """The type an object is served with."""
        return str(self._client.head_object(Bucket=self._name, Key=key)["ContentType"])

    def write(self, key: str, body: bytes) -> None:
        """Put an object in."""
        self._client.put_object(Bucket=self._name, Key=key, Body=body)

    def unfinished(self) -> list[str]:
        """The uploads that were begun and neither finished nor removed."""
        found = self._client.list_multipart_uploads(Bucket=self._name).get("Uploads", [])
        return [item["Key"] for item in found]
