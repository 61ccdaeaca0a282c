"""The way to a Ray cluster, with an answer in bounded time whatever is at the other end."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec

from zcproxy.errors import InputError, ZcproxyError

__all__ = ["LOCAL", "check_address", "connect", "disconnect"]

LOCAL, AUTO = "local", "auto"
"""Addresses of a cluster for this run alone, and of the one that runs here."""

REACHED_WITHIN = 10.0
"""Seconds the head's port may take to answer."""

JOINED_WITHIN = 40.0
"""Seconds joining the cluster may take; Ray by itself would wait for minutes."""

JOIN = "import logging, sys, ray; ray.init(sys.argv[1], log_to_driver=False, logging_level=40)"


def check_address(address: str) -> None:
    """Raises: InputError if Ray is not installed, or `address` can be none."""
    if find_spec("ray") is None:
        raise InputError("--ray needs Ray, which is not installed: pip install 'zcproxy[ray]'")
    host, colon, port = address.rpartition(":")
    if address in (LOCAL, AUTO) or (colon and host and "/" not in host and port.isdigit()):
        return
    raise InputError(
        f"'{address}' is no address of a Ray cluster; give HOST:PORT of its head (as ray start "
        "printed it), auto on a node of a running cluster, or local"
    )


def connect(address: str, cpus: int | None = None) -> None:
    """Connect this process to the cluster at a checked address.

    Args:
        address: HOST:PORT, `auto`, or `local`, which starts a cluster that ends with this process.
        cpus: how many items a cluster started for `local` scores at once; default all cores.

    Raises: InputError if this process is connected already; ZcproxyError if there is no cluster,
        it does not answer, wants another token, or has other versions of Ray or Python.
    """
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")  # else Ray prints what it kept back at the exit
    import ray

    if ray.is_initialized():
        raise InputError("this process is connected to Ray already; call ray.shutdown() first")
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == LOCAL:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(LOCAL, num_cpus=cpus, include_dashboard=False, **quiet)
    else:
        _check_port(address)
        _check_join(address)
        ray.init(address, **quiet)


def disconnect() -> None:
    """Leave the cluster, which ends this process's workers; without a connection, do nothing."""
    import ray

    ray.shutdown()


def _check_port(address: str) -> None:
    """Meet a wrong address at once."""
    if address == AUTO:
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), REACHED_WITHIN).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, str(error)) from error


def _check_join(address: str) -> None:
    """Let another process try first: Ray waits for long, and may end its process."""
    command = [sys.executable, "-c", JOIN, address]
    try:
        done = subprocess.run(command, capture_output=True, timeout=JOINED_WITHIN, check=False)
        printed: bytes | None = done.stderr
        why = _reason(done.stderr) if done.returncode else ""
    except subprocess.TimeoutExpired as error:
        printed, why = error.stderr, f"no answer within {JOINED_WITHIN:.0f} s"
    if b"InvalidAuthToken" in (printed or b""):
        raise ZcproxyError(
            f"the Ray cluster at '{address}' refuses this process: set RAY_AUTH_MODE=token and "
            "RAY_AUTH_TOKEN_PATH to a file with its token, as for the ray start of its head"
        )
    if why:
        raise _unreachable(address, why)


def _reason(printed: bytes) -> str:
    """The message of the last exception in what a process has printed."""
    lines = [line for line in printed.decode(errors="replace").splitlines() if line.strip()]
    with suppress(ValueError):
        start = len(lines) - 1 - lines[::-1].index("Traceback (most recent call last):")
        lines = [line for line in lines[start + 1 :] if not line.startswith(" ")]
    return " ".join(lines) or "it ended without a word"


def _unreachable(address: str, why: str) -> ZcproxyError:
    return ZcproxyError(
        f"no Ray cluster at '{address}' that this machine is a node of ({why}); start one with "
        "ray start --head, and join it with ray start --address HOST:PORT"
    )
