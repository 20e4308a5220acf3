"""Imported by every Python process that the tests start: the network is off."""

import os
import sys

_EVENTS = {
    "socket.connect",
    "socket.getaddrinfo",
    "socket.getnameinfo",
    "socket.gethostbyname",
    "socket.gethostbyaddr",
    "socket.sendto",
    "socket.sendmsg",
}


def _refuse(event: str, arguments: tuple) -> None:
    if event not in _EVENTS:
        return
    where = arguments[1] if event in ("socket.connect", "socket.sendto", "socket.sendmsg") else arguments[0]
    if event != "socket.getaddrinfo" and isinstance(where, (str, bytes)) and not event.startswith("socket.gethost"):
        return  # a socket of this machine alone, as asyncio and multiprocessing use
    with open(os.environ["EYEBRIGHT_TEST_NETWORK_LOG"], "a") as log:
        log.write(f"{event} {where!r}\n")
    raise PermissionError(f"the tests run with the network off: {event} {where!r}")


if "EYEBRIGHT_TEST_NETWORK_LOG" in os.environ:
    sys.addaudithook(_refuse)
