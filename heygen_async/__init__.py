"""
The asyncio-native SDK for HeyGen's Video Agent.

Never lose a session, never pay twice, know within seconds, poll as little as possible.
"""

import typing
from importlib import import_module

from . import errors as errors
from ._version import __version__ as __version__
from .errors import *  # noqa: F403 - every error: that file has nothing else in it

if typing.TYPE_CHECKING:
    from . import cadence as cadence
    from . import models as models
    from . import webhooks as webhooks
    from ._batch import *  # noqa: F403
    from ._client import *  # noqa: F403
    from ._sessions import *  # noqa: F403
else:
    # A program that reads webhooks pays for neither HTTP nor polling, one without batches not for those.
    _MODULES = ("cadence", "models", "webhooks")
    _ROOMS = ("_client", "_sessions", "_batch")

    def __getattr__(name: str) -> object:
        """Load rooms until one has the name: the client at once, the batch last."""
        if name in _MODULES:
            return import_module(f"{__name__}.{name}")
        for room in _ROOMS if name == "__all__" or _is_class(name) else ():
            items = vars(import_module(f"{__name__}.{room}")).items()
            globals().update((each, item) for each, item in items if _is_class(each))
            if name in globals():
                return globals()[name]
        if name == "__all__":
            return sorted([*filter(_is_class, globals()), "errors", *_MODULES])
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)

    def __dir__() -> list[str]:
        return [*globals(), *__getattr__("__all__")]

    def _is_class(name: str) -> bool:
        return name[0].isupper()
