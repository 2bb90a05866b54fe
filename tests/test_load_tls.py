"""Remote endpoints: nothing is said to a stranger, and TLS that fails is counted as such."""

import shutil
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest
from load_servers import HEAD, LAST_CHUNK, RawServer, Talk, always, answer, chunk, load, stream, workload
from test_load_session import combinations_in, once, running

from thresholds.measurement import NotMeasured

pytestmark = pytest.mark.timeout(30)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for localhost, with its key, in one file."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    more = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(path), "-out", str(path.with_suffix(".crt"))]
    subprocess.run([shutil.which("openssl") or "openssl", *words.split(), *more], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def trust(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(ssl, "create_default_context", lambda: trusting)


def test_a_certificate_that_nobody_signed_is_refused_before_anything_is_sent(tls: ssl.SSLContext) -> None:
    with RawServer(always(answer()), tls) as server, pytest.raises(ssl.SSLError, match="certificate verify failed"):
        load(server.url)


def test_a_session_names_the_refused_certificate(tls: ssl.SSLContext, tmp_path: Path) -> None:
    with RawServer(always(answer()), tls) as server, pytest.raises(NotMeasured) as told:
        once(running(combinations_in(tmp_path)[0], server.url))

    assert told.value.reason == "unreachable"
    assert f"{server.url} takes no connections: " in str(told.value)
    assert "certificate verify failed: self-signed certificate" in str(told.value)


def test_with_a_trusted_certificate_everything_is_as_without(
    tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(certificate, monkeypatch)

    with RawServer(always(answer()), tls) as server:
        loaded = load(server.url, workload(streams=3, requests=12))

    assert loaded.failures == {}
    assert loaded.outcome.requests == 12


def test_a_tls_handshake_that_fails_in_the_middle_is_counted_as_such(
    tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each connection serves one request; from the third on the server speaks no TLS."""
    trust(certificate, monkeypatch)

    def talk(one: Talk) -> None:
        if server.plain:
            one.connection.recv(65536)
            one.say(b"HTTP/1.1 400 No\r\n\r\n")
            return
        server.plain = one.number == 2
        one.hear()
        one.say(HEAD.replace(b"200 OK\r\n", b"200 OK\r\nConnection: close\r\n") + chunk(stream(4)) + LAST_CHUNK)

    with RawServer(talk, tls) as server:
        loaded = load(server.url, workload(requests=4))

    assert loaded.failures.get("tls_failed", 0) >= 1
    assert loaded.outcome.requests + sum(loaded.failures.values()) == 4


def test_an_endpoint_that_accepts_and_says_nothing_to_a_handshake_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fixtures.load.client.OPEN_SECONDS", 0.3)
    silent = threading.Event()

    with RawServer(lambda _: silent.wait(5) and None) as server:
        started = time.perf_counter()
        with pytest.raises(TimeoutError):
            load(server.url.replace("http://", "https://"))

    assert time.perf_counter() - started < 4
    silent.set()
