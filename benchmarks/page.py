"""How soon the page shows a translation, and pictures of it: of a running server, in Debian's Chromium.

python -m benchmarks.page --captions test.en [--address http://localhost:8501] [--pictures docs]
"""

from __future__ import annotations

import shutil
import statistics
from pathlib import Path

from workspace.command import command_parser, run_command, starting_up
from workspace.errors import UserError
from workspace.text_lines import text_lines

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
# What the pictures show: window, colours, and whether the editor is open.
PICTURES = {
    "page.png": ({"width": 1000, "height": 860}, "light"),
    "page-phone.png": ({"width": 360, "height": 740}, "dark"),
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
        from playwright.sync_api import Browser, Error, sync_playwright

    def measure(browser: Browser, captions: list[str]) -> list[float]:
        page = browser.new_page()
        page.goto(options.address)
        page.set_default_timeout(LONGEST_WAIT)
        taken = []
        for caption in captions:
            page.evaluate(BEGIN, caption[:-1])
            page.locator("#text").press(caption[-1])
            taken.append(page.evaluate("taken") - PAUSE)
        return taken

    def draw(browser: Browser, caption: str, directory: Path) -> None:
        for name, (window, colours) in PICTURES.items():
            page = browser.new_page(viewport=window, color_scheme=colours, device_scale_factor=1)
            page.goto(options.address)
            page.locator("#text").fill(caption)
            word = page.locator("#translation .word").nth(2)
            word.wait_for()
            for summary in page.locator("summary").all():
                summary.click()
            page.locator("#nbest li").first.wait_for()
            page.get_by_role("table").wait_for()
            if name == "page-phone.png":
                word.click()
                page.get_by_role("option").first.wait_for()
            else:
                word.hover()
                page.locator("#mirror .word").first.wait_for(state="attached")
            page.screenshot(path=directory / name)

    with options.captions.open("rb") as file:
        captions = [line for line in text_lines(file, str(options.captions)) if line.strip()][:MOST]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        try:
            taken = measure(browser, captions)
            if options.pictures:
                draw(browser, captions[0], options.pictures)
        except Error as error:
            raise UserError(f"{options.address} does not translate in the browser: {error.message}") from error
        finally:
            browser.close()
    median, late = statistics.median(taken), statistics.quantiles(taken, n=20)[-1]
    print(f"{len(taken)} captions, from {PAUSE} ms after the last key to the frame with the translation:")
    print(f"median {median:.0f} ms, 95 % within {late:.0f} ms, at most {max(taken):.0f} ms")


if __name__ == "__main__":
    run_command(main)
