"""The same into a container of Azure's blob storage, as its own emulator speaks it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from azure.storage.blob import BlobServiceClient

from files.film import MIB, noise
from heygen_async import DownloadError

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

    from heygen_async import Transfer, Video
    from heygen_async.testing import Simulator

pytestmark = pytest.mark.storage

# The emulator's own account, the same for everybody.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an emulator."""
    program = os.environ.get("AZURITE") or shutil.which("azurite-blob")
    if program is None:
        pytest.skip("needs azurite: `npm install azurite`, and its azurite-blob on the PATH or in AZURITE")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [program, "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
    words += ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
    with subprocess.Popen(words, cwd=tmp_path_factory.mktemp("azurite"), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if b"successfully listens" in line:
                break
        yield f"http://127.0.0.1:{port}/{ACCOUNT}"
        process.terminate()


@pytest.fixture
def container(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Any]:
    """An empty container, looked at with the vendor's own client, and an environment that leads to it."""
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", KEY)
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", endpoint)
    monkeypatch.setenv("AZURE_ALLOW_HTTP", "true")
    name = request.node.name.replace("_", "-")[:60]
    with BlobServiceClient(endpoint, credential=KEY) as service:
        yield service.create_container(name)  # pyright: ignore[reportUnknownMemberType]


async def test_video_is_in_the_container_whole(video: Video, service: Simulator, container: Any) -> None:
    """A video of several parts is there as it is at the service."""
    service.storage.video = noise(12 * MIB)
    address = await video.copy_to(f"az://{container.container_name}/2026/intro.mp4")

    assert f"az://{container.container_name}/2026/intro.mp4" == address
    assert noise(12 * MIB) == container.download_blob("2026/intro.mp4").readall()


async def test_cancel_leaves_nothing_to_be_seen(video: Video, service: Simulator, container: Any) -> None:
    """A cancelled copy has no name in the container; the service itself drops its blocks after a week."""
    service.storage.video = noise(32 * MIB)

    async def stop(transfer: Transfer) -> None:
        if transfer.done_bytes > 16 * MIB:
            scope.cancel()

    with anyio.CancelScope() as scope:
        await video.copy_to(f"az://{container.container_name}/a.mp4", on_progress=stop)

    assert scope.cancelled_caught
    assert [] == list(container.list_blobs())


async def test_missing_container_is_said_so(video: Video, container: Any, tmp_path: pathlib.Path) -> None:
    """An error of the store names what is missing, and shows no key."""
    with pytest.raises(DownloadError, match="ContainerNotFound") as caught:
        await video.copy_to("az://nowhere/a.mp4", overwrite=True)

    assert KEY not in str(caught.getrepr(showlocals=False))
