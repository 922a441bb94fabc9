"""The desk does only what its own pages ask for, and tells browsers nothing they need not know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from review_desk.app import MOST_BODY

if TYPE_CHECKING:
    from desk.visitor import Visitor
    from heygen_async.testing import Simulator

FORM = {"form": "a-form", "prompt": "A tour of our bakery"}
CHANGES = ("/sessions", "/sessions/any/messages", "/sessions/any/approve", "/sessions/any/stop")
ELSEWHERE = {
    "another site": {"sec-fetch-site": "cross-site"},
    "a neighbour": {"sec-fetch-site": "same-site"},
    "an address typed in": {"sec-fetch-site": "none"},
    "another origin": {"sec-fetch-site": "", "origin": "https://evil.example"},
    "a page without origin": {"sec-fetch-site": "", "origin": "null"},
    "nobody knows": {"sec-fetch-site": ""},
}


@pytest.mark.parametrize("path", CHANGES)
@pytest.mark.parametrize("headers", ELSEWHERE.values(), ids=list(ELSEWHERE))
async def test_other_sites_change_nothing(
    visitor: Visitor, service: Simulator, path: str, headers: dict[str, str]
) -> None:
    """A form on a page that is not the desk's is refused before it costs anything (CSRF)."""
    assert 403 == (await visitor.post(path, FORM, headers)).status
    assert 0 == service.ledger.total_requests


async def test_an_old_browser_is_known_by_its_origin(visitor: Visitor) -> None:
    """A browser that does not say where a request is from, but which page it is from, is let in."""
    headers = {"sec-fetch-site": "", "origin": "http://desk.example", "host": "desk.example"}

    assert 201 == (await visitor.post("/sessions", FORM, headers)).status


async def test_a_foreign_name_is_refused(visitor: Visitor) -> None:
    """A page of another name that was pointed at this machine reaches nothing (DNS rebinding)."""
    assert 400 == (await visitor.get("/", {"host": "evil.example"})).status


@pytest.mark.parametrize("path", ["/", "/events-not", "/sessions/none", "/static/desk.js"])
async def test_every_answer_forbids_foreign_scripts(visitor: Visitor, path: str) -> None:
    """Only the desk's own scripts and styles run, inline ones never, and nobody frames the desk."""
    headers = (await visitor.get(path, {"accept": "text/html"})).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))

    assert ("'none'", "'self'", "'self'") == (
        policy["default-src"],
        policy["script-src"],
        policy["style-src"],
    )
    assert ("'none'", "'none'") == (policy["frame-ancestors"], policy["base-uri"])
    assert "nosniff" == headers["x-content-type-options"]


async def test_the_key_never_reaches_a_browser(visitor: Visitor, service: Simulator) -> None:
    """No page, stream, redirect or error contains the service's key."""
    url = (await visitor.post("/sessions", FORM)).json["url"]
    async with visitor.watch(f"{url}/events") as page:
        review = await page.until(status="reviewing")
    answers = [
        await visitor.get("/"),
        await visitor.get(url),
        await visitor.get(review["messages"][-1]["pictures"][0]),
        await visitor.post("/sessions", {"form": "another", "prompt": ""}),
    ]

    assert [200, 200, 307, 422] == [answer.status for answer in answers]
    assert service.api_key not in str(answers) + str(page.events)


async def test_a_large_body_is_refused_before_it_is_read(visitor: Visitor) -> None:
    """An upload that says it is too large is refused at once, with what the limit is."""
    headers = {"content-length": str(MOST_BODY + 1), "sec-fetch-site": "same-origin"}
    answer = await visitor.ask("POST", "/sessions", headers)

    assert 413 == answer.status
    assert "64 MB" in answer.json["error"]


async def test_a_large_body_that_lies_is_cut_off(visitor: Visitor) -> None:
    """An upload that does not say its size is refused once it is too large."""
    headers = {
        "content-length": "",
        "content-type": "multipart/form-data; boundary=x",
        "sec-fetch-site": "same-origin",
    }

    assert 413 == (await visitor.ask("POST", "/sessions", headers, bytes(MOST_BODY + 1))).status


async def test_an_unknown_session_has_a_page_that_says_so(visitor: Visitor) -> None:
    """A wrong address leads to a page with a way back, and a script gets values."""
    page = await visitor.get("/sessions/none", {"accept": "text/html"})
    values = await visitor.get("/sessions/none/events")

    assert (404, True) == (page.status, b"All sessions" in page.body)
    assert "This desk has no such session." == values.json["error"]
