"""The commands that find an id, and show the balance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cli.terminal_user import TerminalUser

LISTS = {
    "avatars": ("avatar", "group_id"),
    "looks": ("look", "avatar_id"),
    "voices": ("voice", "voice_id"),
    "styles": ("style", "style_id"),
    "brand-kits": ("brand_kit", "brand_kit_id"),
}


@pytest.mark.parametrize("command", LISTS)
async def test_each_list_gives_ids(user: TerminalUser, command: str) -> None:
    """A person reads an id and a name on each line, and a program gets the same as objects."""
    event, identity = LISTS[command]
    shown = await user.types(command)
    objects = (await user.types(command, "--json")).events

    assert (0, {event}) == (shown.code, {it["event"] for it in objects})
    for line, fields in zip(shown.out.splitlines(), objects, strict=True):
        assert line.startswith(f"{fields[identity]}  ")


async def test_videos_are_listed(user: TerminalUser) -> None:
    """`videos` names those that were made, with status, length and title: in words, or as numbers for a program."""
    await user.types("run", "A tour")
    shown = await user.types("videos")
    [video] = (await user.types("videos", "--json")).events

    assert "completed  4 s  A tour" in shown.out
    assert ("video", "completed", 4.0) == (video["event"], video["status"], video["duration"])


async def test_search_finds_what_is_shown(user: TerminalUser) -> None:
    """`--search` keeps the lines with a text in them, in capitals or not; what is not there is said to be missing."""
    name = (await user.types("voices", "--json")).events[-1]["name"]
    found = (await user.types("voices", "--json", "--search", name.upper())).events
    nothing = await user.types("voices", "--search", "no such voice")

    assert name in {it["name"] for it in found}
    assert (0, "") == (nothing.code, nothing.out)
    assert "There is no voice with 'no such voice' in it." in nothing.err


async def test_a_limit_says_that_there_may_be_more(user: TerminalUser) -> None:
    """`--limit` ends the list, and says so."""
    shown = await user.types("voices", "--limit", "1")

    assert 1 == len(shown.out.splitlines())
    assert "--limit" in shown.err


async def test_the_account_shows_its_balance(user: TerminalUser) -> None:
    """`account` shows whose key it is, and what is left."""
    shown = await user.types("account")
    [fields] = (await user.types("account", "--json")).events

    assert 0 == shown.code
    assert fields["username"] in shown.out
    assert {"balance", "remaining_credits", "plan"} & set(fields)
