"""A poll over TLS beside plain, on the loops there are: real traffic is TLS, and what carries it is not ours."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trustme

from ._measure import Row, rounds
from ._peers import Peer, aiohttp_msgspec
from ._stub import stub
from .bench_poll import FLOOR, WATCH, ask, watch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_CALLERS = 50


def run(*, quick: bool) -> Row:
    """Measure the client and what is written by hand, on each loop, plain and over TLS."""
    total, count = (1000, 1) if quick else (4000, 3)
    loops = ["asyncio", *(name for name in ("uvloop", "aiofastnet") if importlib.util.find_spec(name))]
    with tempfile.TemporaryDirectory() as folder:
        certificate, authority = Path(folder, "server.pem"), Path(folder, "authority.pem")
        maker = trustme.CA()
        maker.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
        maker.cert_pem.write_to_path(str(authority))
        os.environ["SSL_CERT_FILE"] = str(authority)  # before the HTTP client is loaded
        with stub("small") as plain, stub("small", certificate=str(certificate)) as tls:
            cases = {(link, loop): base for link, base in (("plain", plain), ("TLS", tls)) for loop in loops}
            contestants: dict[tuple[str, str, str], Callable[[], Mapping[str, float]]] = {}
            for (link, loop), base in cases.items():
                contestants[link, loop, FLOOR] = partial(
                    ask, base, Peer(aiohttp_msgspec), _CALLERS, total, loop
                )
                contestants[link, loop, WATCH] = partial(watch, base, _CALLERS, total, loop)
            measured = rounds({"|".join(key): one for key, one in contestants.items()}, count)
    rows: list[Row] = []
    for name, row in measured.items():
        link, loop, client = name.split("|")
        base_row = measured[f"{link}|asyncio|{client}"]
        floor = measured[f"plain|asyncio|{FLOOR}"]["cpu_us"]
        ratios = {"ratio": row["cpu_us"] / floor, "to_asyncio": row["cpu_us"] / base_row["cpu_us"]}
        rows.append({"link": link, "loop": loop, "client": client, **row, **ratios})
    return {"rows": rows}
