"""
The names of the package that come with `HeyGen`; those of a client at work are in `_sessions`, of a batch in `_batch`.
"""

from .._config import RetryPolicy as RetryPolicy
from .._config import Timeouts as Timeouts
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
from .client import HeyGen as HeyGen

# Tracebacks, pickles and documentation show where a name is public, not where it is written.
for _item in list(globals().values()):
    if getattr(_item, "__module__", "").startswith("heygen_async._"):
        _item.__module__ = "heygen_async"
