"""Sessions at the points from which the tests of the lifecycle start."""

from __future__ import annotations

import pytest

from polling.walk import HELLO, Walk, video


@pytest.fixture
def walk() -> Walk:
    """A session nobody has read yet."""
    return Walk()


@pytest.fixture
def reviewing() -> Walk:
    """A session that has shown its storyboard, ten seconds ago."""
    walk = Walk()
    walk.saw(0, "reviewing", messages=[HELLO])
    return walk


@pytest.fixture
def completed() -> Walk:
    """A session whose first video was read whole."""
    walk = Walk()
    walk.saw(0, "completed", video_id="v1", progress=100, messages=[HELLO])
    walk.record_video(0, video())
    return walk
