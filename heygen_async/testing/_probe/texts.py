"""What the probe itself says: the texts and ids that are its own, and in nobody's way when they are shown."""

from __future__ import annotations

from typing import Final

# In the form that most of the service's ids have: another one might be refused for that.
UNKNOWN: Final = "5f0e1d2c3b4a49688f6e5d4c3b2a1908"
UNKNOWN_FIELD: Final = "heygen_async_probe"
# As long as it is, and with these characters, so that whatever the service does to a prompt shows in its echo.
PROMPT: Final = (
    'A calm video of about five seconds: one cup of “café” on a table, "steam" rising & nothing else.\n'
    "One scene, no narration, no people, no text on the screen, nothing to decide: it's a check of this API.  "
    "Keep to <5 s; the plainest result is the best one, and there is no need to ask me anything about it."
)
ANSWER: Final = "Please decide everything yourself: the plainest result is the best one."
APPROVAL: Final = "Looks good, go ahead and generate."
OWN_TEXTS: Final = frozenset({PROMPT, ANSWER, APPROVAL})
