"""What a notebook shows of a value, and keeps in its file for whoever opens it."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import Line
from heygen_async import HeyGen, Message, Resource, SessionState, SessionStatus, Video, VideoStatus
from heygen_async.models import AvatarLook, ResourceInfo, VideoInfo

SIGNED = "https://files.test/film.mp4?signature=s3cr3t&expires=1"


class Shown(HTMLParser):
    """The tags, links and words of a piece of HTML."""

    def __init__(self, html: str | None) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str | None] = []
        self.words: list[str] = []
        self.feed(html or "")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def video(**fields: object) -> VideoInfo:
    """A finished video with signed addresses wherever there is one."""
    known: dict[str, object] = {
        "id": "v1",
        "status": VideoStatus.COMPLETED,
        "video_url": SIGNED,
        "thumbnail_url": SIGNED,
        "video_page_url": "https://app.heygen.com/videos/v1",
    }
    return VideoInfo(**{**known, **fields})  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def test_a_video_shows_its_status_and_page() -> None:
    """A cell that ends with a video shows its title, status and length, and a link to its page."""
    shown = Shown(video(title="Bakery", duration=31.5)._repr_html_())

    assert ["status", "completed", "title", "Bakery", "duration", "31.5", "id", "v1"] == shown.words[:8]
    assert ["https://app.heygen.com/videos/v1"] == shown.links


def test_a_session_shows_what_it_is_at() -> None:
    """A state shows status, progress, title and ids, and nothing of the conversation."""
    state = SessionState(
        session_id="s1",
        status=SessionStatus.REVIEWING,
        progress=40,
        title="Bakery",
        video_id="v1",
        messages=(Message(role="model", content=f"See {SIGNED}"),),
    )

    assert [
        *("status", "reviewing", "progress", "40", "title", "Bakery"),
        *("session_id", "s1", "video_id", "v1"),
    ] == Shown(state._repr_html_()).words


async def test_values_of_a_client_are_shown_without_asking(heygen: HeyGen, line: Line) -> None:
    """Videos and resources show themselves from what is known: no request is made for it, not for a picture."""
    session = await heygen.sessions.create("A tour of our bakery")
    await session.wait()
    resources = await session.resources()
    await session.approve()
    done = await session.video()
    before = len(line.sent)
    shown = [Shown(one._repr_html_()) for one in (done, *resources)]

    assert isinstance(done, Video)
    assert isinstance(resources[0], Resource)
    assert before == len(line.sent)
    assert all({"table", "tr", "th", "td"} <= one.tags <= {"table", "tr", "th", "td", "a"} for one in shown)
    assert resources[0].resource_type in shown[1].words


def test_no_signed_link_gets_into_a_notebook() -> None:
    """A notebook keeps the HTML and the plain form of a value: neither has a signature, wherever an address stands."""
    message = Message(role="model", content=f"Here: {SIGNED}")
    values = [
        video(title=f"See {SIGNED}", failure_message=SIGNED, video_page_url=SIGNED),
        SessionState(
            session_id="s1",
            status=SessionStatus.FAILED,
            title=SIGNED,
            failure_reason=SIGNED,
            messages=(message,),
            new_messages=(message,),
        ),
        ResourceInfo(resource_id="r1", resource_type="image", url=SIGNED, metadata={"frames": [SIGNED]}),
        AvatarLook(id="a1", name="Anna", preview_image_url=SIGNED),
    ]

    assert [] == [
        text
        for value in values
        for text in (value._repr_html_() or "", repr(value))
        if "s3cr3t" in text or "expires" in text
    ]


@pytest.mark.parametrize(
    "page", ["javascript:alert(1)", "http://app.heygen.com/v1", "https://user:pass@host.test/", "//x", ""]
)
def test_only_a_page_is_a_link(page: str) -> None:
    """An address that is no plain https page is no link."""
    assert [] == Shown(video(video_page_url=page)._repr_html_()).links


@given(st.text() | st.sampled_from(["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "&lt;b>"]))
def test_text_of_the_service_is_text(text: str) -> None:
    """Whatever a title, a status or a page says, it is shown, and is no markup."""
    page = f"https://app.heygen.com/{text}"
    shown = Shown(video(title=text, status=VideoStatus(text), video_page_url=page)._repr_html_())

    assert shown.tags <= {"table", "tr", "th", "td", "a"}
    assert len(shown.links) <= 1


def test_what_has_nothing_to_show_shows_nothing() -> None:
    """A value without any of this is shown as before."""
    assert None is Message(role="user", content="Hello")._repr_html_()
