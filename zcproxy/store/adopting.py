"""Scores of an exported table back into a store, for a run that goes on from the file alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from zcproxy.errors import StoreError
from zcproxy.kinds import FAILURE, NOT_SCORED, UNKNOWN
from zcproxy.store.database import Row, Store

if TYPE_CHECKING:
    import pandas as pd

    from zcproxy.spaces import NASBench201

__all__ = ["adopt", "tabled"]


def tabled(frame: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Architectures and proxies of a table that `write_scores` wrote."""
    from zcproxy.proxies import names

    known = set(names())
    return [str(a) for a in frame["architecture"]], [str(c) for c in frame if c in known]


def adopt(store: Store, space: NASBench201, frame: pd.DataFrame, name: str) -> int:
    """Add to a store what a table of the same configuration has and the store lacks.

    A failure of the store that says nothing of the network (`zcproxy.kinds.UNKNOWN`) gives way to
    a score. What the table's run was asked for is then asked for here, too. A table keeps no
    messages of failures and no seconds: its failures say that they are of the file `name`. Of
    several versions of software it does not tell which made which score; the store keeps all.

    Returns: how many scores were added.

    Raises: StoreError for a score that is infinite.
    """
    from zcproxy.proxies import COUNTS

    architectures, proxies = tabled(frame)
    networks = [space.key(a) for a in architectures]
    waiting = {(row.network, row.proxy) for row in store.rows() if row.failure in UNKNOWN}
    done = store.done()
    rows = [
        row
        for proxy in proxies
        if proxy not in COUNTS
        for row in _rows(frame, networks, proxy, f"as {name} has it, which keeps no messages")
        if proxy not in done.get(row.network, ())
        or ((row.network, proxy) in waiting and row.failure not in UNKNOWN)
    ]
    if rows:
        store.forget([(row.network, row.proxy) for row in rows])
        first, *others = frame.attrs.get("versions", [{"file": name}])
        store.add(rows, first)
        for versions in others:
            store.add([], versions)
    store.request(architectures, proxies)
    return len(rows)


def _rows(frame: pd.DataFrame, networks: list[str], proxy: str, message: str) -> Iterator[Row]:
    """The rows of one proxy, one per network."""
    values = frame[proxy].tolist()
    column = proxy + FAILURE
    failures = frame[column].tolist() if column in frame.columns else [None] * len(values)
    for network, (value, failure) in dict(
        zip(networks, zip(values, failures, strict=True), strict=True)
    ).items():
        if math.isinf(value):
            raise StoreError(
                f"{proxy} is {value} in a table of scores, which is none; write it again"
            )
        if not math.isnan(value):
            yield Row(network, proxy, value)
        elif failure != NOT_SCORED:
            yield Row(network, proxy, None, str(failure), message)
