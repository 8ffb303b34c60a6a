"""A headless Chromium for tests of pages: what a page says on its console, fetches, and shows."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NO_BROWSER = "no browser"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PICTURES = Path(__file__).resolve().parent.parent / "build" / "pages"


def executable() -> str:
    """Return the path of a Chromium; the test is skipped, with the reason, where there is none."""
    found = os.environ.get("LEVDYN_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        pytest.skip(f"{NO_BROWSER}: none of {', '.join(NAMES)} is installed, and LEVDYN_CHROMIUM names none")
    return found


@contextmanager
def chromium() -> Iterator[Any]:
    """Start one, and end it."""
    path = executable()
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as play:
        # Only root, as in a container, has no sandbox to run it in.
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = play.chromium.launch(executable_path=path, args=[*options, "--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            browser.close()


class Shown:
    """A page that is open."""

    def __init__(self, browser: Any, path: Path, *, width: int = 1200, scheme: str = "light", scripts: bool = True):
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=scripts
        )
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.fetched: list[str] = []
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        self.page.on("request", lambda request: self.fetched.append(request.url))
        self.page.goto(path.as_uri())
        if scripts:
            self.page.wait_for_selector("html[data-charts]")  # the script has done what it could

    def __enter__(self) -> "Shown":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def ask(self, script: str) -> Any:
        """Evaluate an expression in the page."""
        return self.page.evaluate(script)

    def picture(self, name: str) -> Path:
        """Keep a picture of the whole page among the artefacts."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        target = PICTURES / f"{name}.png"
        self.page.screenshot(path=target, full_page=True)
        return target
