"""
The service's words as values: frozen structs that tolerate fields they do not know.

Wire integers keep their wire names (`created_at`, Unix seconds); the aware datetime
is a property beside them. Sets the service extends are open enums: an unknown word survives as itself.
"""

from ._assets import Asset as Asset
from ._assets import AssetBase64 as AssetBase64
from ._assets import AssetId as AssetId
from ._assets import AssetState as AssetState
from ._assets import AssetUrl as AssetUrl
from ._assets import File as File
from ._assets import OnProgress as OnProgress
from ._assets import Transfer as Transfer
from ._base import Id, Int  # noqa: F401 # pyright: ignore[reportUnusedImport] - annotations are read in this module
from ._catalog import AutoReload as AutoReload
from ._catalog import AvatarGroup as AvatarGroup
from ._catalog import AvatarLook as AvatarLook
from ._catalog import BrandGlossary as BrandGlossary
from ._catalog import BrandKit as BrandKit
from ._catalog import CreditPool as CreditPool
from ._catalog import Style as Style
from ._catalog import Subscription as Subscription
from ._catalog import SubscriptionCredits as SubscriptionCredits
from ._catalog import TrainingError as TrainingError
from ._catalog import UsageBased as UsageBased
from ._catalog import User as User
from ._catalog import Voice as Voice
from ._catalog import VoiceDetail as VoiceDetail
from ._catalog import Wallet as Wallet
from ._sessions import Approve as Approve
from ._sessions import Message as Message
from ._sessions import Mode as Mode
from ._sessions import Orientation as Orientation
from ._sessions import Reply as Reply
from ._sessions import ResourceInfo as ResourceInfo
from ._sessions import SentMessage as SentMessage
from ._sessions import SessionData as SessionData
from ._sessions import SessionState as SessionState
from ._sessions import SessionStatus as SessionStatus
from ._sessions import SessionSummary as SessionSummary
from ._sessions import Stop as Stop
from ._statistics import Statistics as Statistics
from ._videos import VideoInfo as VideoInfo
from ._videos import VideoState as VideoState
from ._videos import VideoStatus as VideoStatus

# Tracebacks, pickles and documentation show where a name is public, not where it is written.
for _item in list(globals().values()):
    if getattr(_item, "__module__", "").startswith(f"{__name__}._"):
        _item.__module__ = __name__
