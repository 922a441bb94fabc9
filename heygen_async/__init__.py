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
from ._polling.watcher import Outage as Outage
from ._polling.watcher import Watch as Watch
from ._resources.videos import Video as Video
from ._sessions.create import Orphan as Orphan
from ._sessions.create import Orphans as Orphans
from ._sessions.resource import Resource as Resource
from ._sessions.session import Session as Session
from ._version import __version__ as __version__
from .cadence import Cadence as Cadence
from .errors import *  # noqa: F403 - every error, as `errors.__all__` lists them
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

# Tracebacks, pickles and documentation show where a name is public, not where it is written.
for _item in list(globals().values()):
    if getattr(_item, "__module__", "").startswith(f"{__name__}._"):
        _item.__module__ = __name__
