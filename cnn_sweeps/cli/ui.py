"""`cnn-sweeps ui`: MLflow's pages for the store, until Ctrl-C."""

import errno
import socket
from contextlib import suppress

from cnn_sweeps.cli.arguments import BEHIND, STUDY, Arguments
from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.errors import ConfigError, StoreError
from cnn_sweeps.runs.composition.validate import WHEREABOUTS, compose_tracking
from cnn_sweeps.text.terminal import say
from cnn_sweeps.tracking import RunRecord, Store, pages, queries
from cnn_sweeps.tracking.address import resolve
from cnn_sweeps.tracking.server import HOST, serving_store

PORT = 5000
NEAR = 100
"""Ports from 5000 on that are tried one after the other when none was asked for."""
HIGHEST = 65_535


def main(typed: list[str]) -> int:
    """Serve the pages until the person has seen enough; 0 then.

    Raises:
        ConfigError: this is nothing that can be typed, or the port is taken.
        StoreError: there is no store, or it cannot be read.
        UnknownStudyError: no study, or several, have that name.
        RunFailedError: the server does not come up, or ended by itself.
    """
    parser = Arguments(
        "ui",
        "[STUDY] [--port N]",
        "Start MLflow's server for the runs, for a browser on this machine, until Ctrl-C. "
        "The first address opens the ranking of a sweep.",
        names=(0, 1),
        epilog=f"{STUDY} Store: tracking.uri=URI or tracking.dir=FOLDER, as for a run.",
    )
    parser.add_argument("--port", metavar="N", help=f"{PORT} by default, or the next free one")
    asked = parser.read(typed)
    tracking = compose_tracking(asked.overrides, BEHIND, keys=(*WHEREABOUTS, "experiment"))
    port = None if asked.port is None else _port(asked.port)
    store = _open(tracking)
    sweep = queries.sweep(store, asked.names[0] if asked.names else None)
    if store.address.artifacts is None:
        _say_pages(store, store.uri, sweep)  # a server has its pages
        return 0
    with hold_free() if port is None else _held(port) as held:
        _serve(store, held.getsockname()[1], sweep)
    return 0


def hold(port: int) -> socket.socket:
    """Take a port, for as long as what is returned is open.

    Its UDP half is held, which a server over TCP leaves alone: so of two of us that start in the
    same second, the second sees what the first has chosen before its server listens.

    Raises:
        OSError: it is taken, or cannot be had.
    """
    held = socket.socket(type=socket.SOCK_DGRAM)
    try:
        held.bind((HOST, port))
        with socket.socket() as probe:
            # As the server does it: a port that a server has left a minute ago is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(held.getsockname())
    except OSError:
        held.close()
        raise
    return held


def hold_free(first: int = PORT) -> socket.socket:
    """Take a port that nobody has: this one, one of those after it, or any.

    Raises:
        StoreError: there is none.
    """
    for port in (*range(first, min(first + NEAR, HIGHEST + 1)), 0):
        with suppress(OSError):
            return hold(port)
    raise StoreError("MLflow's server cannot be started: there is no free port.")


def _serve(store: Store, port: int, sweep: RunRecord | None) -> None:
    try:
        with serving_store(store.address, port) as server:
            _say_pages(store, server.address, sweep)
            say("Press Ctrl-C to stop it.")
            server.wait()
    except KeyboardInterrupt:
        return  # how it is meant to end


def _say_pages(store: Store, server: str, sweep: RunRecord | None) -> None:
    """Print the address of a sweep's ranking, and that of all runs where it is another one."""
    every, ranking = pages.page(store, server), pages.page(store, server, sweep)
    say(ranking)
    if every != ranking:
        say(f"All runs: {every}")


def _open(tracking: Tracking) -> Store:
    store = Store.open_existing(tracking)
    if store is None:
        raise StoreError(
            f"there are no runs in {resolve(tracking)}.\n"
            "  Look elsewhere with tracking.dir=FOLDER or tracking.uri=URI, or create some: "
            "cnn-sweeps data=digits"
        )
    return store


def _port(text: str) -> int:
    """The number that was typed."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= HIGHEST):
        raise ConfigError(f"--port {text} is not a port.\n  Type a number from 1 to {HIGHEST}.")
    return int(text)


def _held(port: int) -> socket.socket:
    """A port that was asked for, if it can be had."""
    try:
        return hold(port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise ConfigError(
                f"port {port} cannot be used: {error.strerror}.\n  Leave --port out for a free one."
            ) from error
    with hold_free(port) as other:
        free = other.getsockname()[1]
    raise ConfigError(
        f"port {port} is taken.\n  Type --port {free}, or leave it out for a free one."
    )
