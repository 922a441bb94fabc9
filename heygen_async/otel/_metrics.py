"""
What is measured: the instruments, one set for each provider.
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar, Final
from weakref import WeakKeyDictionary, ref

from opentelemetry.metrics import Observation

from .._version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider

    from .._batch.batch import Batch
    from .._http.client import Counters
    from .._http.hooks import RetryEvent

# Bounds of histograms, in seconds. An exchange takes what the conventions expect, a status up to half an hour.
_EXCHANGE: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_PHASE: Final = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0)
_DELAY: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)

# Of batches that the program holds: properties of a batch, the last two by currency.
_OF_BATCHES: Final = (
    ("limit", "{job}", "Jobs in progress the account is believed to have room for."),
    ("in_progress", "{job}", "Jobs the service is working on."),
    ("paused", "{job}", "Jobs that wait for their reviewer."),
    ("spent", "1", "What was spent of the budgets."),
    ("reserved", "1", "What jobs under way may still cost."),
)
_MONEY: Final = ("spent", "reserved")


class Meters:
    """The instruments of one provider, whatever number of clients it has."""

    _known: ClassVar[WeakKeyDictionary[MeterProvider, Meters]] = WeakKeyDictionary()

    def __init__(self, meter: Meter) -> None:
        self.counters: list[Counters] = []  # kept when their clients are gone: a counter never falls
        self._batches: list[ref[Batch]] = []
        self._exchanges = meter.create_histogram(
            "http.client.request.duration",
            "s",
            "Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=_EXCHANGE,
        )
        self.phases = meter.create_histogram(
            "heygen.session.phase.duration",
            "s",
            "How long sessions were in a status, as seen from here.",
            explicit_bucket_boundaries_advisory=_PHASE,
        )
        self.delays = meter.create_histogram(
            "heygen.video.delay",
            "s",
            "From the end of a video at the service until it was known here.",
            explicit_bucket_boundaries_advisory=_DELAY,
        )
        self._retries = meter.create_counter("heygen.retries", "{retry}", "Calls that were made again.")
        self._rate_limited = meter.create_counter("heygen.rate_limited", "{response}", "Answers with 429.")
        meter.create_observable_counter("heygen.polls", [self._polls], "{request}", "Reads for watchers.")
        for name, unit, words in _OF_BATCHES:
            observe = partial(self._observe_batches, name)
            meter.create_observable_up_down_counter(f"heygen.batch.{name}", [observe], unit, words)

    @classmethod
    def of(cls, provider: MeterProvider) -> Meters:
        """Return those of a provider, made once."""
        if (meters := cls._known.get(provider)) is None:
            meters = cls._known[provider] = cls(provider.get_meter("heygen_async", __version__))
        return meters

    def record_exchange(self, attributes: Mapping[str, str | int], seconds: float) -> None:
        """Count an exchange."""
        self._exchanges.record(seconds, attributes)
        if attributes.get("http.response.status_code") == HTTPStatus.TOO_MANY_REQUESTS:
            self._rate_limited.add(1, {"url.template": attributes.get("url.template", "")})

    def count_retry(self, event: RetryEvent) -> None:
        """Count a call that is made again."""
        self._retries.add(1, {"url.template": event.route, "error.type": event.error})

    def add_batch(self, batch: Batch) -> None:
        """Observe a batch, as long as the program holds it."""
        self._batches = [one for one in self._batches if one() is not None] + [ref(batch)]

    # -- when the reader asks, which may be in a thread of its own --

    def _polls(self, _: CallbackOptions) -> Iterable[Observation]:
        counters = list(self.counters)
        yield Observation(sum(one.polls for one in counters), {"heygen.poll.type": "session"})
        yield Observation(sum(one.bulk_polls for one in counters), {"heygen.poll.type": "videos"})

    def _observe_batches(self, name: str, _: CallbackOptions) -> Iterable[Observation]:
        sums: defaultdict[str | None, float] = defaultdict(float)
        for batch in [batch for one in self._batches if (batch := one()) is not None]:
            rate = batch._options.budget.rate
            if name not in _MONEY:
                sums[None] += getattr(batch, name)
            elif rate is not None:
                sums[rate.currency] += getattr(batch, name)
        for currency, amount in sums.items():
            yield Observation(amount, {} if currency is None else {"heygen.currency": currency})
