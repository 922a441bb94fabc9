"""
A client generated from the strict contract, at work on the simulator: `nox -s generated`.

Its models are another reader's understanding of the contract: each answer must be read as the model of its status,
and the model written again must be the answer, so that no field is lost, invented or of another type.
"""

from __future__ import annotations

import importlib
import inspect
import io
import json
import pkgutil
import sys
import time
import typing
import urllib.request
from typing import Any, Final

PDF: Final = b"%PDF-1.4\n%%EOF\n"


class GeneratedClient:
    """Calls operations by their names; counts the answers that were read back to the letter."""

    def __init__(self, package: str, url: str, key: str) -> None:
        api = importlib.import_module(f"{package}.api")
        groups = [one.name for one in pkgutil.iter_modules(api.__path__, f"{api.__name__}.")]
        self.operations: dict[str, Any] = {
            one.name.rpartition(".")[2]: importlib.import_module(one.name)
            for group in groups
            for one in pkgutil.iter_modules(importlib.import_module(group).__path__, f"{group}.")
        }
        self._types: Any = importlib.import_module(f"{package}.types")
        kind: Any = importlib.import_module(package).AuthenticatedClient
        self._client: Any = kind(
            base_url=url, token=key, auth_header_name="x-api-key", prefix="", raise_on_unexpected_status=True
        )
        self.answers: dict[str, int] = {}
        self.differences: list[str] = []

    def call(self, name: str, *ids: str, body: object = None, status: int = 200, **query: object) -> Any:
        """Call an operation; return what the answer is about, once its model was compared with it."""
        function = self.operations[name].sync_detailed
        if body is not None:
            query["body"] = self._model(function, body)
        response = function(*ids, client=self._client, **query)
        told = json.loads(response.content)
        read = response.parsed.to_dict()
        self.answers[name] = self.answers.get(name, 0) + 1
        if (status, told) != (response.status_code, read):
            self.differences.append(f"{name}: {response.status_code} {told} was read as {read}")
        return told.get("data")

    def _model(self, function: Any, body: object) -> Any:
        annotation = inspect.signature(function).parameters["body"].annotation
        kinds = typing.get_args(annotation) or (annotation,)
        model = next(kind for kind in kinds if hasattr(kind, "from_dict"))
        if isinstance(body, bytes):
            return model(file=self._types.File(io.BytesIO(body), "notes.pdf", "application/pdf"))
        written = model.from_dict(body).to_dict()
        if written != body:
            self.differences.append(f"{model.__name__}: {body} was written as {written}")
        return model.from_dict(body)


def read_catalog(client: GeneratedClient) -> None:
    """Every list, and one of each."""
    client.call("get_current_user")
    for name in ("list_video_agent_styles", "list_brand_kits", "list_brand_glossaries"):
        client.call(name, limit=1)
    [group, *_] = client.call("list_avatars")
    client.call("get_avatar_group", group["id"])
    [look, *_] = client.call("list_avatar_looks", group_id=group["id"])
    client.call("get_avatar_look", look["id"])
    [voice, *_] = client.call("list_voices", limit=2)
    client.call("get_voice", voice["voice_id"])


def upload(client: GeneratedClient) -> str:
    """Upload both ways; return the id of one that is left."""
    small = client.call("upload_asset", body=PDF)
    slot = client.call(
        "create_direct_upload",
        body={"filename": "notes.pdf", "content_type": "application/pdf", "size_bytes": len(PDF)},
    )
    put = urllib.request.Request(slot["upload_url"], PDF, slot["upload_headers"], method="PUT")
    urllib.request.urlopen(put).close()
    client.call("complete_direct_upload", slot["asset_id"], body={})
    client.call("list_asset_statuses", asset_ids=f"{slot['asset_id']},unknown")
    client.call("get_asset", slot["asset_id"])
    client.call("delete_asset", slot["asset_id"])
    return str(small["asset_id"])


def wait(client: GeneratedClient, session_id: str, status: str) -> Any:
    """Poll a session until it has a status."""
    for _ in range(600):
        session = client.call("get_video_agent_session", session_id)
        if session["status"] == status:
            return session
        time.sleep(0.05)  # noqa: TID251 - a real server takes its time
    raise TimeoutError(f"{session_id} did not become {status}")


def converse(client: GeneratedClient, asset_id: str) -> str:
    """Create a session, revise and approve its storyboard; return the id of its video."""
    files = [{"type": "asset_id", "asset_id": asset_id}, {"type": "url", "url": "https://example.test/a.png"}]
    prompt = {"prompt": "A tour ☕", "mode": "chat", "orientation": "portrait", "files": files}
    session_id = client.call("create_video_agent_session", body=prompt)["session_id"]
    session = wait(client, session_id, "reviewing")
    pictures = [one for message in session["messages"] for one in message.get("resource_ids") or ()]
    client.call("get_video_agent_resource", session_id, pictures[0])
    client.call("send_video_agent_message", session_id, body={"message": "Looks good, go ahead."})
    wait(client, session_id, "completed")
    client.call("list_video_agent_sessions")
    [video, *_] = client.call("list_video_agent_videos", session_id)
    return str(video["id"])


def register_webhooks(client: GeneratedClient) -> None:
    """An endpoint from its creation to its end, and the events."""
    endpoint = {"url": "https://example.test/hook", "events": ["video_agent.success"]}
    endpoint_id = client.call("create_webhook_endpoint", body=endpoint)["endpoint_id"]
    client.call("update_webhook_endpoint", endpoint_id, body={"url": "https://example.test/moved"})
    client.call("rotate_webhook_secret", endpoint_id)
    client.call("list_webhook_endpoints")
    client.call("delete_webhook_endpoint", endpoint_id)
    client.call("list_webhook_event_types")
    client.call("list_webhook_events")


def use_everything(client: GeneratedClient) -> None:
    """Every operation at least once, and refusals."""
    read_catalog(client)
    video_id = converse(client, upload(client))
    client.call("list_video_statuses", video_ids=f"{video_id},unknown")
    client.call("list_videos", limit=1)
    client.call("get_video", video_id)
    client.call("delete_video", video_id)
    stopped = client.call("create_video_agent_session", body={"prompt": "One shot"})
    client.call("stop_video_agent_session", stopped["session_id"], body={})
    register_webhooks(client)
    client.call("get_video", "unknown", status=404)
    client.call("list_video_agent_sessions", limit=101, status=400)
    client.call("create_video_agent_session", body={"prompt": ""}, status=400)


def main(package: str, url: str, key: str) -> int:
    """Return 1 if an answer is not what the generated client reads, or an operation was not called."""
    client = GeneratedClient(package, url, key)
    use_everything(client)
    missing = sorted(set(client.operations) - set(client.answers))
    print(f"{len(client.answers)} operations, {sum(client.answers.values())} answers")
    print("\n".join([*client.differences, *(f"{name} was not called" for name in missing)]))
    return 1 if client.differences or missing else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
