"""
The session: create, send, review, and what to do when an answer is lost.

Here are the names of the package that come with a client at work.
"""

from .._http.hooks import RequestEvent as RequestEvent
from .._http.hooks import RetryEvent as RetryEvent
from .._http.hooks import TransitionEvent as TransitionEvent
from .._http.transport import Transport as Transport
from .._polling.watcher import Outage as Outage
from .._polling.watcher import Watch as Watch
from .._resources.videos import Video as Video
from ..webhooks import UnverifiedEvent as UnverifiedEvent
from ..webhooks import WebhookEvent as WebhookEvent
from .create import Orphan as Orphan
from .create import Orphans as Orphans
from .resource import Resource as Resource
from .session import Session as Session

# Tracebacks, pickles and documentation show where a name is public, not where it is written.
for _item in list(globals().values()):
    if getattr(_item, "__module__", "").startswith("heygen_async._"):
        _item.__module__ = "heygen_async"
