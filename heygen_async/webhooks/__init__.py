"""
Webhooks: whether the service sent a delivery, and what is in it.

`verify` for what a registered endpoint receives, `parse_unverified` for a `callback_url`, whose deliveries are not
signed. Either way an event is a reason to poll, never a state: give it to `HeyGen.notify`.
"""

from ._events import UnverifiedEvent as UnverifiedEvent
from ._events import WebhookEndpoint as WebhookEndpoint
from ._events import WebhookEvent as WebhookEvent
from ._events import WebhookEventType as WebhookEventType
from ._events import WebhookSecret as WebhookSecret
from ._verify import SeenEvents as SeenEvents
from ._verify import SeenStore as SeenStore
from ._verify import parse_unverified as parse_unverified
from ._verify import sign as sign
from ._verify import verify as verify

# Tracebacks, pickles and documentation show where a name is public, not where it is written.
for _item in list(globals().values()):
    if getattr(_item, "__module__", "").startswith(f"{__name__}._"):
        _item.__module__ = __name__
