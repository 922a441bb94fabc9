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
else:
    # A program that reads webhooks pays for neither HTTP nor polling, one without batches not for those.
    _MODULES = ("cadence", "models", "webhooks")

    def __getattr__(name: str) -> object:
        """Load the client with the first name of it, the batch with the first of its own."""
        if name in _MODULES:
            return import_module(f"{__name__}.{name}")
        if name == "__all__":
            _publish("_client")
            _publish("_batch")
            return [*sorted(filter(_is_class, globals())), "cadence", "errors", "models", "webhooks"]
        for room in ("_client", "_batch"):
            if _is_class(name) and name not in globals():
                _publish(room)
        try:
            return globals()[name]
        except KeyError:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name) from None

    def __dir__() -> list[str]:
        return [*globals(), *__getattr__("__all__")]

    def _publish(room: str) -> None:
        names = vars(import_module(f"{__name__}.{room}"))
        globals().update((name, item) for name, item in names.items() if _is_class(name))

    def _is_class(name: str) -> bool:
        return name[0].isupper()
