"""Reports in a real browser: Debian's Chromium, without a window. Skipped where there is none."""

import json
import re
import shutil
import subprocess
from html import escape, unescape

import pytest

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium: apt-get install chromium")

MEASURE = """<script>
addEventListener("load", () => {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const reach = [...document.querySelectorAll("h1,h2,h3,p,li,dd,figure,table")].filter(e => !e.closest(".scroll,.hidden"))
    .map(e => e.getBoundingClientRect().right);
  const svg = document.querySelector("figure svg").getBoundingClientRect();
  const order = [...document.querySelectorAll("h1,h2,h3")].map(e => e.getBoundingClientRect().top);
  const ink = getComputedStyle(document.body).color, paper = getComputedStyle(document.body).backgroundColor;
  top.document.title = JSON.stringify({dark, wide: innerWidth, reach: Math.max(...reach),
    page: document.documentElement.scrollWidth, svg: [svg.width, svg.height], ink, paper,
    sorted: order.every((y, i) => !i || y >= order[i - 1] - 40)});
});
</script>"""


def opened(path, tmp_path, width, *flags):
    """What the browser measures of a page in a frame so wide, and what it complains of."""
    inner = escape(path.read_text(encoding="utf-8").replace("</body>", f"{MEASURE}</body>"))
    page = tmp_path / "page.html"  # a window is never narrower than 500 pixels
    frame = f'<iframe style="border:0;width:{width}px;height:900px" srcdoc="{inner}"></iframe>'
    page.write_text(f"<!DOCTYPE html><title></title>{frame}", encoding="utf-8")
    command = [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command += [f"--window-size={max(width, 500)},900", "--enable-logging=stderr", "--virtual-time-budget=2000", *flags]
    found = subprocess.run([*command, "--dump-dom", page.as_uri()], capture_output=True, timeout=60, text=True)
    complaints = [line for line in found.stderr.splitlines() if "CONSOLE" in line]
    return re.search(r"<title>(\{.*?\})</title>", found.stdout), complaints


@pytest.mark.parametrize(("name", "width", "dark"), [("Mixture", 1400, False), ("HMM", 400, True)])
def test_a_page_fits_its_window_and_the_browser_has_no_complaints(written, tmp_path, name, width, dark):
    found, complaints = opened(written(name), tmp_path, width, *(["--blink-settings=preferredColorScheme=0"] if dark else []))
    assert not complaints and found is not None
    seen = json.loads(unescape(found.group(1)))
    assert seen["page"] <= seen["wide"] == width and seen["reach"] <= seen["wide"] and seen["sorted"]
    assert min(seen["svg"]) > 100
    assert seen["dark"] is dark
    shades = [sum(map(int, re.findall(r"\d+", seen[part])[:3])) for part in ("ink", "paper")]
    assert (shades[0] > shades[1] + 400) if dark else (shades[1] > shades[0] + 400)
