"""What can be said of the service by the one session that is paid for."""

from __future__ import annotations

import itertools
from typing import Final

from .contract import as_rows, shown_word
from .echo import describe_echo
from .exchanges import PAUSED
from .statement import NOT_SEEN, Exchanges, Judgement, find, refusal_of, rows_of, statement
from .texts import PROMPT


@statement("Keys are not known to be honoured on create", "Idempotency: Not declared for", "high")
def keys_on_create(exchanges: Exchanges) -> Judgement:
    return _judge_undeclared_key(find(exchanges, "create"), find(exchanges, "create again"), "session_id")


@statement("Keys are not known to be honoured on send", "Idempotency: Not declared for", "high")
def keys_on_send(exchanges: Exchanges) -> Judgement:
    return _judge_undeclared_key(find(exchanges, "approve"), find(exchanges, "send again"), "run_id")


def _judge_undeclared_key(first: Exchanges, again: Exchanges, name: str) -> Judgement:
    """Judge the same key with an empty text: the first answer again is a replay, a refusal says nothing."""
    if not first or not again:
        return NOT_SEEN
    one = again[-1]
    if one.is_ok and one.data.get(name) is not None and one.data.get(name) == first[-1].data.get(name):
        return (
            "new",
            "the first answer came again: keys are honoured, so RetryPolicy(trust_keys=True) would do",
        )
    if one.code == "request_in_progress":
        return "new", "request_in_progress: keys are honoured"
    if one.is_ok:
        return "refuted", "an empty text was accepted as something new"
    return "not seen", f"{refusal_of(one)}, which says nothing about the key"


@statement(
    "Create answers with a status of one that works or has ended",
    "Session status: Create answers only",
    "high",
)
def created_status(exchanges: Exchanges) -> Judgement:
    created = [one for one in find(exchanges, "create") if one.is_ok]
    if not created:
        return NOT_SEEN
    status = created[0].shown_status
    # A word that is in no list is the endpoint's own finding.
    return ("refuted", shown_word(status)) if status in PAUSED else ("confirmed", shown_word(status))


@statement("A created session has no video_id yet", "Observed behaviour: `video_id` is null on create", "low")
def early_video(exchanges: Exchanges) -> Judgement:
    created = [one for one in find(exchanges, "create") if one.is_ok]
    if not created:
        return NOT_SEEN
    return ("new", "it has one") if created[0].data.get("video_id") else ("confirmed", "")


@statement(
    "A chat pauses for review, is approved in plain words, and renders",
    "Session status: plain language",
    "high",
)
def story(exchanges: Exchanges) -> Judgement:
    polls = [one for one in find(exchanges, "poll") if one.is_ok]
    if not polls:
        return NOT_SEEN
    story = _story(exchanges)
    approvals = [one for one in find(exchanges, "approve") if one.is_ok]
    after = [one.shown_status for one in polls if approvals and one.number > approvals[-1].number]
    if not set(after) & {"generating", "completed"}:
        return "not seen", story
    return "confirmed", story


def _story(exchanges: Exchanges) -> str:
    """Return the statuses of the session, each with the seconds after the create at which it was first read."""
    [created] = find(exchanges, "create")
    words: list[str] = []
    status = None
    for one in find(exchanges, "poll"):
        if one.is_ok and one.shown_status != status:
            status = one.shown_status
            words.append(f"{shown_word(status)} at {one.sent_at - created.sent_at:.0f} s")
    return ", ".join(words)


@statement("Messages come newest first, at most 40", "Session status: newest first, at most 40", "high")
def order(exchanges: Exchanges) -> Judgement:
    seen = False
    for one in exchanges:
        messages = as_rows(one.data.get("messages"))
        times = [at for at in (message.get("created_at") for message in messages) if isinstance(at, int)]
        if len(messages) > 40:
            return "refuted", f"{len(messages)} messages"
        if times != sorted(times, reverse=True):
            return "refuted", "they are in another order"
        seen |= len(set(times)) > 1
    return ("confirmed", "") if seen else NOT_SEEN


@statement("What is echoed may differ from what was sent", "Observed behaviour: What is echoed", "medium")
def echo(exchanges: Exchanges) -> Judgement:
    for one in reversed(find(exchanges, "poll")):
        texts = [
            str(message.get("content"))
            for message in as_rows(one.data.get("messages"))
            if message.get("role") == "user" and message.get("type") == "text"
        ]
        if texts:
            difference = describe_echo(PROMPT, texts[-1])  # the oldest is the prompt's
            return ("confirmed", difference) if difference else ("not seen", "it came to the letter")
    return NOT_SEEN


@statement("The list may lag behind creates", "Observed behaviour: lists lag behind creates", "medium")
def list_lag(exchanges: Exchanges) -> Judgement:
    created = next(iter(find(exchanges, "create")), None)
    listings = [one for one in find(exchanges, "new in list") if one.is_ok]
    if created is None or not listings:
        return NOT_SEEN
    session_id = created.data.get("session_id")
    absent = [one for one in listings if all(row.get("session_id") != session_id for row in rows_of(one))]
    # Rows without the field are the endpoint's own finding.
    if not absent or any("session_id" not in row for one in absent for row in rows_of(one)):
        return "not seen", ""
    return (
        "confirmed",
        f"the session was missing {absent[-1].sent_at - created.sent_at:.0f} s after its create",
    )


@statement(
    "A read may be older than the one before it", "Observed behaviour: Reads are not monotonic", "medium"
)
def stale_reads(exchanges: Exchanges) -> Judgement:
    counts = [len(as_rows(one.data.get("messages"))) for one in find(exchanges, "poll") if one.is_ok]
    is_stale = any(later < earlier for earlier, later in itertools.pairwise(counts))
    return ("confirmed", "messages were missing that had been there") if is_stale else NOT_SEEN


@statement("A session may be 404 while it works", "Observed behaviour: Session GET 404", "medium")
def lost_session(exchanges: Exchanges) -> Judgement:
    lost = [one for one in find(exchanges, "poll") if one.status == 404]
    return ("confirmed", f"{len(lost)} reads") if lost else NOT_SEEN


@statement("The link of a video needs no key, and takes ranges", "Video status: presigned", "high")
def download(exchanges: Exchanges) -> Judgement:
    whole, part = find(exchanges, "download"), find(exchanges, "range")
    if not whole or not part:
        return NOT_SEEN
    if whole[0].status != 200:
        return "refuted", f"it answers {whole[0].status} without a key"
    if part[0].status != 206 or part[0].size != 100:
        return "refuted", f"a range of 100 bytes answers {part[0].status} with {part[0].size} bytes"
    return "confirmed", f"{whole[0].size} bytes"


STATEMENTS: Final = (
    keys_on_create,
    keys_on_send,
    created_status,
    early_video,
    story,
    order,
    echo,
    list_lag,
    stale_reads,
    lost_session,
    download,
)
