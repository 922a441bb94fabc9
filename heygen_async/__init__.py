"""
The asyncio-native SDK for HeyGen's Video Agent.

Never lose a session, never pay twice, know within seconds, poll as little as possible.
"""

from . import cadence as cadence
from . import errors as errors
from . import models as models
from . import webhooks as webhooks
from ._batch.batch import Batch as Batch
from ._batch.budget import Rate as Rate
from ._batch.check import Finding as Finding
from ._batch.job import BatchEvent as BatchEvent
from ._batch.job import Job as Job
from ._batch.job import Outcome as Outcome
from ._client import HeyGen as HeyGen
from ._config import RetryPolicy as RetryPolicy
from ._config import Timeouts as Timeouts
from ._http.hooks import RequestEvent as RequestEvent
from ._http.hooks import RetryEvent as RetryEvent
from ._http.hooks import TransitionEvent as TransitionEvent
from ._http.transport import Transport as Transport
from ._polling.outage import Outage as Outage
from ._polling.watch import Watch as Watch
from ._resources.videos import Video as Video
from ._sessions.orphans import Orphan as Orphan
from ._sessions.orphans import Orphans as Orphans
from ._sessions.resource import Resource as Resource
from ._sessions.session import Session as Session
from ._version import __version__ as __version__
from .cadence import Cadence as Cadence
from .errors import APIError as APIError
from .errors import BadPayload as BadPayload
from .errors import BadResponse as BadResponse
from .errors import BadSignature as BadSignature
from .errors import ClientStateError as ClientStateError
from .errors import ConfigError as ConfigError
from .errors import Conflict as Conflict
from .errors import ConnectFailed as ConnectFailed
from .errors import ConnectionLost as ConnectionLost
from .errors import DownloadError as DownloadError
from .errors import Forbidden as Forbidden
from .errors import HeyGenError as HeyGenError
from .errors import InsufficientCredit as InsufficientCredit
from .errors import InvalidArgument as InvalidArgument
from .errors import InvalidRequest as InvalidRequest
from .errors import NotFound as NotFound
from .errors import OutcomeUnknown as OutcomeUnknown
from .errors import OutOfCredit as OutOfCredit
from .errors import RateLimited as RateLimited
from .errors import Replayed as Replayed
from .errors import RequestTimeout as RequestTimeout
from .errors import ServerError as ServerError
from .errors import SessionBusy as SessionBusy
from .errors import SessionError as SessionError
from .errors import SessionFailed as SessionFailed
from .errors import SessionPaused as SessionPaused
from .errors import SessionStalled as SessionStalled
from .errors import StaleTimestamp as StaleTimestamp
from .errors import StateUnknown as StateUnknown
from .errors import TransportError as TransportError
from .errors import Unauthorized as Unauthorized
from .errors import UploadError as UploadError
from .errors import WatchTimeout as WatchTimeout
from .errors import WebhookError as WebhookError
from .models import Approve as Approve
from .models import Asset as Asset
from .models import AssetBase64 as AssetBase64
from .models import AssetId as AssetId
from .models import AssetUrl as AssetUrl
from .models import Message as Message
from .models import Reply as Reply
from .models import SentMessage as SentMessage
from .models import SessionState as SessionState
from .models import SessionStatus as SessionStatus
from .models import SessionSummary as SessionSummary
from .models import Statistics as Statistics
from .models import Stop as Stop
from .models import Transfer as Transfer
from .models import VideoState as VideoState
from .models import VideoStatus as VideoStatus
from .webhooks import UnverifiedEvent as UnverifiedEvent
from .webhooks import WebhookEvent as WebhookEvent

__all__ = [
    "APIError",
    "Approve",
    "Asset",
    "AssetBase64",
    "AssetId",
    "AssetUrl",
    "BadPayload",
    "BadResponse",
    "BadSignature",
    "Batch",
    "BatchEvent",
    "Cadence",
    "ClientStateError",
    "ConfigError",
    "Conflict",
    "ConnectFailed",
    "ConnectionLost",
    "DownloadError",
    "Finding",
    "Forbidden",
    "HeyGen",
    "HeyGenError",
    "InsufficientCredit",
    "InvalidArgument",
    "InvalidRequest",
    "Job",
    "Message",
    "NotFound",
    "Orphan",
    "Orphans",
    "OutOfCredit",
    "Outage",
    "Outcome",
    "OutcomeUnknown",
    "Rate",
    "RateLimited",
    "Replayed",
    "Reply",
    "RequestEvent",
    "RequestTimeout",
    "Resource",
    "RetryEvent",
    "RetryPolicy",
    "SentMessage",
    "ServerError",
    "Session",
    "SessionBusy",
    "SessionError",
    "SessionFailed",
    "SessionPaused",
    "SessionStalled",
    "SessionState",
    "SessionStatus",
    "SessionSummary",
    "StaleTimestamp",
    "StateUnknown",
    "Statistics",
    "Stop",
    "Timeouts",
    "Transfer",
    "TransitionEvent",
    "Transport",
    "TransportError",
    "Unauthorized",
    "UnverifiedEvent",
    "UploadError",
    "Video",
    "VideoState",
    "VideoStatus",
    "Watch",
    "WatchTimeout",
    "WebhookError",
    "WebhookEvent",
    "cadence",
    "errors",
    "models",
    "webhooks",
]

# Tracebacks, pickles and documentation show where a name is public, not where it is written.
for _name in __all__:
    _item = globals()[_name]
    if getattr(_item, "__module__", "").startswith(f"{__name__}._"):
        _item.__module__ = __name__
