"""The report in a real browser: nothing is complained of, and what is clicked on does something."""

import shutil

import numpy as np
import pytest

from liver_jax.report import casedata, scan_page, viewer, volume_view
from liver_jax.volume.geometry import Volume

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
    if path is None:
        pytest.skip("there is no Chromium on the path")
    arguments = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=path, args=arguments)
        yield opened
        opened.close()


@pytest.fixture
def visit(browser):
    """Opens a page offline; at the end it must not have complained or asked for anything."""
    complaints, contexts = [], []

    def open_page(path, fragment="", **options):
        context = browser.new_context(offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda words: complaints.append(words.text) if words.type == "error" else None,
        )
        page.on(
            "request",
            lambda asked: (
                None
                if asked.url.startswith(("file:", "data:", "blob:"))
                else complaints.append(asked.url)
            ),
        )
        page.goto(path.as_uri() + fragment)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="module")
def scan(made_rows):
    x, y, z = np.mgrid[:60, :50, :24]
    manual = ((x - 44) / 12) ** 2 + ((y - 30) / 12) ** 2 + ((z - 12) / 6) ** 2 < 1
    image = Volume((60.0 * manual).astype(np.float32), np.diag([2.0, 2.0, 5.0, 1.0]))
    return image, "CT", np.roll(manual, 2, 0), manual, made_rows(subjects=1)[0]


def column(page, head):
    """The texts of a column of the table of cases."""
    heads = page.locator("#case-table th[scope=col]").all_inner_texts()
    place = next(number for number, text in enumerate(heads) if text.strip() == head)
    return page.eval_on_selector_all(
        "#case-table tbody tr", f"rows => rows.map(row => row.cells[{place}].innerText)"
    )


def numbers(texts):
    return [0.0 if text == "failed" else float(text) for text in texts if text != "–"]


def test_the_table_sorts_both_ways_and_undefined_stays_last(report, visit):
    page = visit(report)
    page.click("#case-more")
    dice = page.locator("#case-table thead button", has_text="Dice")
    for name, reverse in (("ascending", False), ("descending", True)):
        dice.click()
        head = page.locator("#case-table th[aria-sort]")
        assert head.count() == 1 and head.get_attribute("aria-sort") == name
        texts = column(page, "Dice")
        assert texts[-1] == "–" and numbers(texts) == sorted(numbers(texts), reverse=reverse)
    page.locator("#case-table thead button", has_text="Case").click()
    names = column(page, "Case")
    assert names[0] < names[-1]


def test_the_table_filters_by_technique_model_flag_and_dice(report, visit, made_metrics):
    rows = made_metrics["cases"]
    page = visit(report)
    page.select_option("#filter-technique", "ct")
    page.select_option("#filter-model", "multimodal")
    chosen = [row for row in rows if (row["technique"], row["model"]) == ("ct", "multimodal")]
    assert set(column(page, "Technique")) == {"CT"}
    assert page.locator("#case-table tbody tr").count() == len(chosen)
    page.click("#filter-reset")
    page.select_option("#filter-flag", "flag:several_components")
    flagged = sum("several_components" in row["flags"] for row in rows)
    assert page.inner_text("#case-count").startswith(f"{flagged} of {len(rows)} cases")
    page.click("#filter-reset")
    page.fill("#filter-low", "0.5")
    page.fill("#filter-high", "0.9")
    shown = numbers(column(page, "Dice"))
    assert shown and min(shown) >= 0.5 and max(shown) <= 0.9
    page.click("#filter-reset")
    assert page.inner_text("#case-count").startswith(f"{len(rows)} of {len(rows)}")


def test_a_click_opens_a_case_and_its_address_does_too(report, visit, made_metrics):
    page = visit(report)
    page.select_option("#filter-technique", "ct")
    page.locator("#case-table tbody tr").first.click()
    page.wait_for_selector("dialog[open]")
    assert page.locator("dialog[open] .slice img").count() == 6
    first = page.inner_text("#case-facts")
    paths = page.locator("dialog .slice path.m").all()
    assert all(path.get_attribute("d").startswith("M") for path in paths)
    # Manual and automated are drawn in the colours of the key.
    stroke = "element => getComputedStyle(element).stroke"
    assert page.locator("dialog .slice path.a").first.evaluate(stroke) == "rgb(213, 94, 0)"
    page.check("input[name=drawn][value=areas]")
    assert page.locator("dialog .slice path.ab").count() == 6
    page.click("#case-next")
    page.wait_for_function(
        "name => document.getElementById('case-facts').innerText !== name", arg=first
    )
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0

    failed = next(row for row in made_metrics["cases"] if row["status"] == "failed")
    page = visit(report, f"#case={casedata.identity(failed)}")
    assert failed["reason"] in page.inner_text("dialog[open]")
    assert "No slices were kept" in page.inner_text("dialog[open]")


def test_a_case_leads_to_its_viewer_and_back(report, visit):
    page = visit(report)
    page.locator("#outliers a", has_text="All slices").first.click()
    page.wait_for_selector("#picture")
    title = page.inner_text("h1")
    page.click("a.back")
    page.wait_for_selector("dialog[open]")
    assert page.inner_text("#case-title") == title


def test_the_outliers_show_their_slices(report, visit):
    page = visit(report)
    strip = page.locator("[data-strip]").first
    strip.scroll_into_view_if_needed()
    page.wait_for_function("() => document.querySelector('[data-strip] img')")
    assert strip.locator("img").count() == 6
    loaded = "images => images.every(image => image.complete && image.naturalWidth > 0)"
    assert page.eval_on_selector_all("[data-strip] img", loaded)


def test_nothing_sticks_out_of_a_narrow_window(report, visit):
    page = visit(report, viewport={"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_all_is_open_and_drawn_when_printed(report, visit):
    page = visit(report)
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert page.eval_on_selector_all("[data-strip]", "all => all.every(one => one.children.length)")


def test_the_viewer_scrolls_windows_and_hides(scan, visit, tmp_path):
    viewer.write(tmp_path / "a.html", *scan)
    page = visit(tmp_path / "a.html")
    place = lambda: page.inner_text("#place")  # noqa: E731
    picture = lambda: page.get_attribute("#picture", "src")  # noqa: E731
    count = int(place().split(" / ")[1])
    assert count == 17  # 11 slices of liver and 15 mm on both sides
    page.keyboard.press("Home")
    assert place() == f"1 / {count}"
    assert page.get_attribute("#outline-manual", "d") == ""
    lowest = picture()
    page.hover("#frame")
    page.mouse.wheel(0, -120)
    assert place() == f"4 / {count}" and picture() != lowest
    page.keyboard.press("End")
    page.fill("#slider", "8")
    assert place() == f"9 / {count}"
    assert page.get_attribute("#outline-manual", "d").startswith("M")
    # The outline lies around the mask: the patient's right half of the picture, in pixels.
    box = page.evaluate("(() => { const b = document.getElementById('outline-manual').getBBox();"
                        " return [b.width, b.height]; })()")  # fmt: skip
    wide = scan[3].any(axis=2)
    assert box == [wide.any(axis=1).sum(), wide.any(axis=0).sum()]
    page.keyboard.press("m")
    assert not page.locator("#outline-manual").is_visible()
    before = page.get_attribute("#red", "slope")
    page.mouse.down()
    page.mouse.move(700, 500)
    page.mouse.up()
    assert page.get_attribute("#red", "slope") != before
    page.keyboard.press("r")
    assert page.get_attribute("#red", "slope") == before
    assert page.inner_text("#level-value") == "40 HU"
    assert page.get_attribute("#frame", "aria-valuenow") == "9"


def test_niivue_draws_the_volume(scan, visit, tmp_path):
    if not volume_view.write(tmp_path / "a.html", *scan):
        pytest.skip("ipyniivue is not installed")
    page = visit(tmp_path / "a.html", viewport={"width": 900, "height": 700})
    page.wait_for_selector("#state[data-drawn]", state="attached", timeout=60_000)
    assert page.get_attribute("#state", "data-drawn") == "yes", page.inner_text("#state")
    page.wait_for_timeout(500)
    image = pytest.importorskip("PIL.Image")
    shown = tmp_path / "shown.png"
    page.locator("#canvas").screenshot(path=shown)
    pixels = np.asarray(image.open(shown).convert("RGB")).astype(int)
    # Where only the manual mask is, the picture is bluish, where only the automated one is, red.
    blue = (pixels[..., 2] - pixels[..., 0] > 40).sum()
    yellow = ((pixels[..., 0] - pixels[..., 2] > 40) & (pixels[..., 1] > 60)).sum()
    assert blue > 50 and yellow > 500


def test_the_page_of_one_scan_scrolls_and_hides_its_mask(tmp_path, scan, scan_record, visit):
    image, modality, _, mask, _ = scan
    scan_page.write(tmp_path / "report.html", image, modality, mask, scan_record)
    page = visit(tmp_path / "report.html")
    outline = page.locator("#outline-automated")
    assert outline.get_attribute("d").startswith("M") and outline.is_visible()
    assert "of 24 from the feet" in page.inner_text("#words")
    page.keyboard.press("Home")
    assert "Slice 1 of 24" in page.inner_text("#words") and "Liver 0.0" in page.inner_text("#words")
    assert outline.get_attribute("d") == ""
    page.keyboard.press("PageUp")
    assert outline.get_attribute("d").startswith("M")
    page.keyboard.press("m")  # there is no manual mask to hide
    page.keyboard.press("a")
    assert not outline.is_visible()
    assert "most of it is on the left" in page.inner_text("aside")
    page.click("summary")
    assert page.locator("dd", has_text="0123abcd").is_visible()
    narrow = visit(tmp_path / "report.html", viewport={"width": 380, "height": 700})
    assert narrow.evaluate("document.documentElement.scrollWidth") <= 380
