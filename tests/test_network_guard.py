"""The guard of conftest.py: tests reach this machine and nothing else."""

import socket
import urllib.request

import pytest


def test_name_of_another_machine_is_refused():
    with pytest.raises(RuntimeError, match=r"exchange\.invalid"):
        socket.create_connection(("exchange.invalid", 443))


def test_address_of_another_machine_is_refused():
    with socket.socket() as one, pytest.raises(RuntimeError, match=r"192\.0\.2\.1"):
        one.connect(("192.0.2.1", 443))


def test_datagram_to_another_machine_is_refused():
    with socket.socket(type=socket.SOCK_DGRAM) as one, pytest.raises(RuntimeError, match=r"192\.0\.2\.1"):
        one.sendto(b"", ("192.0.2.1", 53))


def test_library_that_fetches_is_refused():
    with pytest.raises(RuntimeError, match=r"exchange\.invalid"):
        urllib.request.urlopen("http://exchange.invalid/", timeout=1)


def test_loopback_server_is_reached():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        accepted, _ = server.accept()
        with accepted:
            client.sendall(b"mark")
            assert accepted.recv(4) == b"mark"
