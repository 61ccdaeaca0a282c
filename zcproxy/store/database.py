"""The store of a run: one SQLite file with one row per network and proxy."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from zcproxy.configuration import Configuration
from zcproxy.errors import StoreError
from zcproxy.store.lock import Lock

__all__ = ["Row", "Store"]

APPLICATION = 0x7A637078  # "zcpx": tells a store from other SQLite files
VERSION = 1

SCHEMA = (
    "CREATE TABLE configuration (key TEXT NOT NULL, fields TEXT NOT NULL)",
    "CREATE TABLE versions (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)",
    """CREATE TABLE scores (
        network TEXT NOT NULL,
        proxy TEXT NOT NULL,
        value REAL,
        failure TEXT,
        message TEXT,
        seconds REAL NOT NULL,
        versions INTEGER NOT NULL REFERENCES versions,
        PRIMARY KEY (network, proxy),
        CHECK ((value IS NULL) <> (failure IS NULL))
    ) WITHOUT ROWID""",
    """CREATE TABLE requested (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('architecture', 'proxy')),
        name TEXT NOT NULL,
        UNIQUE (kind, name)
    )""",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {VERSION}",
)


@dataclass(frozen=True)
class Row:
    """The score of one network by one proxy: a finite value, or the kind of failure and a message.

    `network` is the key of the network in its space, `seconds` the computing time.
    """

    network: str
    proxy: str
    value: float | None
    failure: str | None = None
    message: str | None = None
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if (self.value is None) == (self.failure is None):
            raise ValueError(f"{self.proxy}: a row has either a value or a failure")
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"{self.proxy}: {self.value} is not a score")


class Store:
    """Scores of one configuration in one file; `open` to write, `read` to look.

    Each `add` is one transaction of a write-ahead log: a process killed at any moment loses the
    rows it was about to add and no others. A network and proxy have one row; adding a second one
    is an error. Values keep all their bits (but for the sign of zero). Beside the scores a store
    keeps which architectures and proxies its runs were asked for. Every SQLite error is raised as a
    StoreError of one line that says what to do.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: Lock | None) -> None:
        self.path = path
        self._connection = connection
        self._lock = lock
        with _explained(path):
            self.configuration = _configuration(path, connection)

    @classmethod
    def open(cls, path: str | Path, configuration: Configuration) -> Store:
        """Create the store at `path`, or resume it, as the only writer.

        Raises: StoreError if the file is no store, is damaged, holds scores of another
            configuration (the message names the fields), is in use, or cannot be written.
        """
        path = Path(path)
        _check_place(path)
        lock = Lock(path)
        try:
            with _connected(path, str(path)) as connection:
                if not _is_empty(connection):
                    _compare(path, _configuration(path, connection), configuration)
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                _create_if_empty(connection, configuration)
                return cls(path, connection, lock)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def read(cls, path: str | Path) -> Store:
        """Open an existing store for reading, also while a run writes to it.

        Raises: StoreError if there is no store at `path` or it is damaged.
        """
        path = Path(path)
        if not path.is_file():
            raise StoreError(f"no store at {path}; zcproxy score makes one")
        with _connected(path, f"{path.absolute().as_uri()}?mode=ro") as connection:
            if _is_empty(connection):
                raise StoreError(f"{path} is an empty store; run zcproxy score with it first")
            return cls(path, connection, None)

    def request(self, architectures: Sequence[str], proxies: Sequence[str]) -> None:
        """Add to what was asked for, in one transaction; what is known keeps its place.

        A store made before this was kept stays without it: of its earlier runs nothing is known.
        """
        with _explained(self.path), _transaction(self._connection) as connection:
            if _keeps_requests(connection):
                for kind, names in (("architecture", architectures), ("proxy", proxies)):
                    connection.executemany(
                        "INSERT OR IGNORE INTO requested (kind, name) VALUES (?, ?)",
                        [(kind, name) for name in names],
                    )

    def requested(self) -> tuple[list[str], list[str]] | None:
        """The architectures and proxies all runs were asked for, oldest first.

        None where it was not kept.
        """
        with _explained(self.path):
            if not _keeps_requests(self._connection):
                return None
            query = "SELECT kind, name FROM requested ORDER BY id"
            found = self._connection.execute(query).fetchall()
        architectures = [name for kind, name in found if kind == "architecture"]
        return architectures, [name for kind, name in found if kind == "proxy"]

    def add(self, rows: Sequence[Row], versions: Mapping[str, str]) -> None:
        """Write rows in one transaction; `versions` names the software that computed them."""
        text = json.dumps(dict(versions), sort_keys=True)
        with _explained(self.path), _transaction(self._connection) as connection:
            connection.execute("INSERT OR IGNORE INTO versions (text) VALUES (?)", (text,))
            connection.executemany(
                "INSERT INTO scores SELECT ?, ?, ?, ?, ?, ?, id FROM versions WHERE text = ?",
                [
                    (r.network, r.proxy, r.value, r.failure, r.message, r.seconds, text)
                    for r in rows
                ],
            )

    def rows(self) -> list[Row]:
        """All rows, ordered by network and proxy."""
        columns = "network, proxy, value, failure, message, seconds"
        with _explained(self.path):
            found = self._connection.execute(f"SELECT {columns} FROM scores ORDER BY 1, 2")
            return [Row(*row) for row in found]

    def done(self) -> dict[str, set[str]]:
        """For every network that has rows, the proxies it has them of, failures included."""
        with _explained(self.path):
            found = self._connection.execute("SELECT network, proxy FROM scores").fetchall()
        proxies: dict[str, set[str]] = {}
        for network, proxy in found:
            proxies.setdefault(network, set()).add(proxy)
        return proxies

    def forget(self, cells: Sequence[tuple[str, str]]) -> None:
        """Delete the rows of these pairs (network, proxy), so that they are scored again."""
        with _explained(self.path), _transaction(self._connection) as connection:
            connection.executemany("DELETE FROM scores WHERE network = ? AND proxy = ?", cells)

    def versions(self) -> list[dict[str, str]]:
        """The software that computed the rows; one entry if it never changed."""
        with _explained(self.path):
            found = self._connection.execute("SELECT text FROM versions ORDER BY id").fetchall()
        return [json.loads(text) for (text,) in found]

    def close(self) -> None:
        """Fold the write-ahead log into the file, close it and let others write."""
        if self._lock is not None:
            with suppress(sqlite3.Error):  # a reader or a full disk: the log stays, and is valid
                self._connection.execute("PRAGMA journal_mode = DELETE")
        self._connection.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


@contextmanager
def _connected(path: Path, name: str) -> Iterator[sqlite3.Connection]:
    """A connection to a checked file, closed only if what follows fails."""
    with _explained(path):
        connection = sqlite3.connect(name, uri=name != str(path), timeout=10, isolation_level=None)
        try:
            _check_file(path, connection)
            yield connection
        except BaseException:
            connection.close()
            raise


def _configuration(path: Path, connection: sqlite3.Connection) -> Configuration:
    found = connection.execute("SELECT key, fields FROM configuration").fetchall()
    ((key, text),) = found if len(found) == 1 else (("", "{}"),)
    try:
        configuration = Configuration.from_dict(json.loads(text))
    except StoreError as error:
        raise StoreError(f"{path}: {error}") from error
    if configuration.key != key:
        raise StoreError(f"{path} is damaged: its settings do not match their key")
    return configuration


def _compare(path: Path, stored: Configuration, wanted: Configuration) -> None:
    if differences := wanted.differences(stored):
        raise StoreError(
            f"{path} holds scores of another configuration (wanted {'; '.join(differences)}); "
            "choose another store with --store"
        )


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise StoreError(f"{path} is a folder; --store takes the name of a file")
    if not path.absolute().parent.is_dir():
        raise StoreError(f"there is no folder {path.parent} to keep the store in; create it")


def _check_file(path: Path, connection: sqlite3.Connection) -> None:
    """Refuse SQLite files that are damaged, not ours, or from the future; an empty one passes."""
    ((damage,), *_) = connection.execute("PRAGMA quick_check(1)").fetchall()
    if damage != "ok":
        raise StoreError(f"{path} is damaged ({' '.join(damage.split())}); {_RESCUE}")
    ((application,),) = connection.execute("PRAGMA application_id").fetchall()
    ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    if _is_empty(connection):
        return
    if application != APPLICATION:
        raise StoreError(f"{path} is an SQLite file but no store of scores; choose another name")
    if version != VERSION:
        raise StoreError(f"{path} has store version {version}, this zcproxy reads {VERSION}")


def _is_empty(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone() is None


def _keeps_requests(connection: sqlite3.Connection) -> bool:
    query = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'requested'"
    return connection.execute(query).fetchone() is not None


def _create_if_empty(connection: sqlite3.Connection, configuration: Configuration) -> None:
    with _transaction(connection):
        if _is_empty(connection):
            for statement in SCHEMA:
                connection.execute(statement)
            fields = json.dumps(configuration.to_dict(), sort_keys=True)
            connection.execute(
                "INSERT INTO configuration VALUES (?, ?)", (configuration.key, fields)
            )


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All statements or none, whatever interrupts them."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"{path} {_advice(error)}") from error


_RESCUE = "move it away and score again, or bring back a copy"
_ADVICE = {
    "SQLITE_FULL": "cannot grow: the disk is full; free some space, the same command then resumes",
    "SQLITE_IOERR": "cannot be written or read: is the disk full, or gone? ({}); once that is "
    "mended the same command resumes",
    "SQLITE_NOTADB": "is not a store of scores; choose another name",
    "SQLITE_CORRUPT": "is damaged ({}); " + _RESCUE,
    "SQLITE_READONLY": "cannot be written: file or folder is read-only",
    "SQLITE_CANTOPEN": "cannot be opened; do file and folder allow it?",
    "SQLITE_BUSY": "is locked by another program; close that and try again",
}


def _advice(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "")
    for start, text in _ADVICE.items():
        if name.startswith(start):
            return text.format(error)
    return f"cannot be used: {error}"
