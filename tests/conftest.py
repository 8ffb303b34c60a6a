"""What every test shares: hypothesis profiles, the folder of real data, no network, no test left out unseen."""

import importlib.util
import os
import socket
import sysconfig
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from browsers import NO_BROWSER
from cli_calls import CONFIG, STRATEGY, Done

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ("feeds", "venues", "backtest")

# Both profiles that a gate uses are derandomised: a red run is red again. "explore" is for hunting by hand.
hypothesis.settings.register_profile("fast", max_examples=40, deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.register_profile(
    "ci",
    max_examples=400,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile("explore", max_examples=2_000, deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("LEVDYN_PROFILE", "fast"))


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a misspelt data folder and, with ``LEVDYN_WHEEL`` set, to test anything but that wheel."""
    real_data_folder()
    if not os.environ.get("LEVDYN_WHEEL"):
        return
    installed = Path(sysconfig.get_path("platlib")).resolve()
    for name in SHIPPED:
        spec = importlib.util.find_spec(name)
        found = None if spec is None or spec.origin is None else Path(spec.origin).resolve()
        if found is None or installed not in found.parents:
            raise pytest.UsageError(
                f"LEVDYN_WHEEL is set, so {name!r} must come from {installed}, but Python finds {found}. "
                "Run `make test`, or `PYTHONSAFEPATH=1 pytest` of that environment, not `python -m pytest`."
            )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what stands in tests/real or asks for the real data, so that `make test` cannot pick it up by accident."""
    real = ROOT / "tests" / "real"
    for item in items:
        if real in item.path.parents or "real_data" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.real)


def real_data_folder() -> Path | None:
    """Return the folder of real market data, None when this machine has none.

    Raises
    ------
    pytest.UsageError
        If ``LEVDYN_REAL_DATA`` names something that is not a folder: a misspelt path must not pass as "no data".
    """
    beside = ROOT.parent / "shared" / "data"
    given = os.environ.get("LEVDYN_REAL_DATA")
    if not given:
        return beside if beside.is_dir() else None
    if not Path(given).is_dir():
        raise pytest.UsageError(
            f"LEVDYN_REAL_DATA must be a folder of market data, got {given!r}; unset it to use {beside}"
        )
    return Path(given).resolve()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real market data; the test is skipped, with the reason, where there is none."""
    folder = real_data_folder()
    if folder is None:
        pytest.skip("no real market data: set LEVDYN_REAL_DATA or put it into ../shared/data")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _loopback_only() -> Iterator[None]:
    """Refuse every connection that would leave this machine."""
    real = {name: getattr(socket.socket, name) for name in ("connect", "connect_ex", "sendto")}
    resolve = socket.getaddrinfo

    def check(family: int, address: object) -> None:
        if family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple):
            require_loopback(address[0])

    def guard(name: str):
        def call(self: socket.socket, *args: object):
            check(self.family, args[-1])
            return real[name](self, *args)

        return call

    def resolve_loopback(host, *args, **kwargs):
        if host is not None:
            require_loopback(host)
        return resolve(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        for name in real:
            patch.setattr(socket.socket, name, guard(name))
        patch.setattr(socket, "getaddrinfo", resolve_loopback)
        yield


@pytest.fixture
def levdyn(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """The command, called in a folder of its own with a configuration in it."""
    from backtest.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "run.toml").write_text(CONFIG)
    (tmp_path / "mine.py").write_text(STRATEGY)

    def call(*words: object) -> Done:
        capsys.readouterr()
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        return Done(code, printed.out, printed.err)

    return call


def require_loopback(host: str | bytes) -> None:
    """Raise unless ``host`` is this machine."""
    name = host.decode() if isinstance(host, bytes) else host
    if not (name.startswith("127.") or name in ("localhost", "::1", "")):
        raise RuntimeError(f"a test tried to reach {name!r}: only loopback addresses are allowed in tests")


def _skips(config: pytest.Config) -> Counter[str]:
    """Count skipped tests (and skipped files) by reason."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    seen = {}
    for report in reporter.stats.get("skipped", []) if reporter else []:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        seen[report.nodeid] = reason.removeprefix("Skipped: ")
    return Counter(seen.values())


def _left_out(config: pytest.Config) -> int:
    """Return how many tests were skipped though all that they need is here; a browser may be missing."""
    return sum(count for reason, count in _skips(config).items() if not reason.startswith(NO_BROWSER))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that had the real data and still left a test out (`make test-all` asks for this)."""
    if hasattr(session.config, "workerinput") or os.environ.get("LEVDYN_NO_SKIPS") != "1":
        return
    if real_data_folder() is not None and _left_out(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print how many tests were skipped, by reason."""
    if os.environ.get("LEVDYN_NO_SKIPS") != "1":
        return
    skips, folder = _skips(config), real_data_folder()
    terminalreporter.section("skipped tests by reason")
    terminalreporter.line(f"real data: {folder if folder else 'none on this machine'}")
    terminalreporter.line(f"skipped in all: {skips.total()}")
    for reason, count in skips.most_common():
        terminalreporter.line(f"{count:5d}  {reason}")
    if folder and _left_out(config):
        terminalreporter.line("FAILED: the real data is here, so only tests of pages may be skipped", red=True)
