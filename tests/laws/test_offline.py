"""Eyebright runs with no network: all tests do, and this one makes sure that they do."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

LOG = Path(os.environ["EYEBRIGHT_TEST_NETWORK_LOG"])


def test_a_socket_call_is_refused_and_remembered():
    """Whoever swallows the refusal fails at the end of the test."""
    loose = socket.socket(type=socket.SOCK_DGRAM)
    for call in (
        lambda: socket.create_connection(("127.0.0.1", 9), timeout=1),
        lambda: socket.getaddrinfo("example.org", 443),
        lambda: socket.gethostbyname("example.org"),
        lambda: loose.sendto(b"", ("127.0.0.1", 9)),
    ):
        with pytest.raises(PermissionError, match="the network off"):
            call()
    loose.close()
    assert len(LOG.read_text().splitlines()) == 4
    LOG.unlink()


def test_a_process_that_a_test_starts_has_no_network_either():
    """The console script is tested in processes of its own."""
    program = "import socket; socket.getaddrinfo('example.org', 443)"
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=False)
    assert b"the tests run with the network off" in child.stderr
    assert "example.org" in LOG.read_text()
    LOG.unlink()
