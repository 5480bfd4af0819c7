"""How soon the page shows a translation, and pictures of it: of a running server, in Debian's Chromium.

python -m benchmarks.page --captions test.en [--address http://localhost:8501] [--pictures docs]
"""

from __future__ import annotations

import shutil
import statistics
from pathlib import Path
from typing import TYPE_CHECKING

from workspace.command import command_parser, run_command, starting_up
from workspace.errors import UserError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ViewportSize

PAUSE = 200  # ms, that the page waits after the last key
MOST = 100  # captions
LONGEST_WAIT = 5_000  # ms
# Shows all but the last character without the page knowing; then the time from the key to the frame with another text.
BEGIN = """text => {
    const [field, translation] = [document.getElementById("text"), document.getElementById("translation")];
    field.value = text;
    field.setSelectionRange(text.length, text.length);
    const before = translation.textContent;
    window.taken = new Promise(resolve => {
        let pressed;
        field.addEventListener("keydown", ({ timeStamp }) => (pressed = timeStamp), { once: true });
        const observer = new MutationObserver(() => {
            if (!translation.textContent || translation.querySelector(".pending")) return;
            observer.disconnect();
            requestAnimationFrame(() => resolve(performance.now() - pressed));
        });
        observer.observe(translation, { childList: true, subtree: true, characterData: true });
    });
}"""
# Of each picture: the window, and whether it is in dark colours, as on a phone with a word opened.
PICTURES: dict[str, tuple[ViewportSize, bool]] = {
    "page.png": ({"width": 1000, "height": 860}, False),
    "page-phone.png": ({"width": 360, "height": 740}, True),
}


def main(arguments: list[str]) -> None:
    parser = command_parser(
        "benchmarks.page",
        __doc__,
        reads="a file of captions, and the page of a running server",
        writes="the times to standard output; with --pictures, page.png and page-phone.png into that directory",
    )
    parser.add_argument("--captions", type=Path, required=True, help="sentences of the source language, one a line")
    parser.add_argument("--address", default="http://localhost:8501/", help="of the page (default: %(default)s)")
    parser.add_argument("--pictures", type=Path, help="a directory")
    options = parser.parse_args(arguments)
    chromium = shutil.which("chromium")
    if chromium is None:
        raise UserError("there is no chromium; install it (apt-get install chromium)")
    with starting_up():
        from playwright.sync_api import Error, sync_playwright

        from workspace.text_lines import text_lines
    with options.captions.open("rb") as file:
        captions = [line for line in text_lines(file, str(options.captions)) if line.strip()][:MOST]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        try:
            taken = measure(browser, options.address, captions)
            if options.pictures:
                draw(browser, options.address, captions[0], options.pictures)
        except Error as error:
            raise UserError(f"{options.address} does not translate in the browser: {error.message}") from error
        finally:
            browser.close()
    median, late = statistics.median(taken), statistics.quantiles(taken, n=20)[-1]
    print(f"{len(taken)} captions, from {PAUSE} ms after the last key to the frame with the translation:")
    print(f"median {median:.0f} ms, 95 % within {late:.0f} ms, at most {max(taken):.0f} ms")


def measure(browser: Browser, address: str, captions: list[str]) -> list[float]:
    """Milliseconds of each, without PAUSE."""
    page = browser.new_page()
    page.goto(address)
    page.set_default_timeout(LONGEST_WAIT)
    taken = []
    for caption in captions:
        page.evaluate(BEGIN, caption[:-1])
        page.locator("#text").press(caption[-1])
        taken.append(page.evaluate("taken") - PAUSE)
    return taken


def draw(browser: Browser, address: str, caption: str, directory: Path) -> None:
    """The pictures, of this caption with its translation."""
    for name, (window, is_dark) in PICTURES.items():
        page = browser.new_page(viewport=window, color_scheme="dark" if is_dark else "light")
        page.goto(address)
        page.locator("#text").fill(caption)
        word = page.locator("#translation .word").nth(2)
        word.wait_for()
        for summary in page.locator("summary").all():
            summary.click()
        page.locator("#nbest li").first.wait_for()
        page.get_by_role("table").wait_for()
        if is_dark:
            word.click()
            page.get_by_role("option").first.wait_for()
        else:
            word.hover()
            page.locator("#mirror .word").first.wait_for(state="attached")
        page.screenshot(path=directory / name, full_page=not is_dark)


if __name__ == "__main__":
    run_command(main)
