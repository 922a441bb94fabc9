"""
The names of the package that come with the client; those of a batch are in `_batch`, the errors in `errors`.
"""

from .._config import RetryPolicy as RetryPolicy
from .._config import Timeouts as Timeouts
from .._http.hooks import RequestEvent as RequestEvent
from .._http.hooks import RetryEvent as RetryEvent
from .._http.hooks import TransitionEvent as TransitionEvent
from .._http.transport import Transport as Transport
from .._polling.watcher import Outage as Outage
from .._polling.watcher import Watch as Watch
from .._resources.videos import Video as Video
from .._sessions.create import Orphan as Orphan
from .._sessions.create import Orphans as Orphans
from .._sessions.resource import Resource as Resource
from .._sessions.session import Session as Session
from ..cadence import Cadence as Cadence
from ..models import Approve as Approve
from ..models import Asset as Asset
from ..models import AssetBase64 as AssetBase64
from ..models import AssetId as AssetId
from ..models import AssetUrl as AssetUrl
from ..models import Message as Message
from ..models import Reply as Reply
from ..models import SentMessage as SentMessage
from ..models import SessionState as SessionState
from ..models import SessionStatus as SessionStatus
from ..models import SessionSummary as SessionSummary
from ..models import Statistics as Statistics
from ..models import Stop as Stop
from ..models import Transfer as Transfer
from ..models import VideoState as VideoState
from ..models import VideoStatus as VideoStatus
from ..webhooks import UnverifiedEvent as UnverifiedEvent
from ..webhooks import WebhookEvent as WebhookEvent
from .client import HeyGen as HeyGen

# Tracebacks, pickles and documentation show where a name is public, not where it is written.
for _item in list(globals().values()):
    if getattr(_item, "__module__", "").startswith("heygen_async._"):
        _item.__module__ = "heygen_async"
