"""The page of a report, with names and values that would end the script that holds them."""

import msgspec


def test_the_page_shows_odd_names_and_runs_none_of_them(page, tmp_path):
    """All columns are drawn, the title is not changed by a name, and what is shown otherwise is told at the top."""
    from drift.report.reporter import Reporter
    from drift.settings import DriftSettings
    from tests.drift.report.test_report import made, odd_request

    reporter = Reporter(DriftSettings())
    reporter.start()
    try:
        asked = odd_request("odd")
        few = [column for column in asked.categorical if "<" in column or "😀" in column]
        report = made(reporter, msgspec.structs.replace(asked, categorical=few))
    finally:
        reporter.stop()
    assert report.error == ""
    path = tmp_path / "report.html"
    path.write_text(report.html, encoding="utf-8")
    page.goto(f"file://{path}")
    page.get_by_text("feature.😀").first.wait_for()
    text = page.inner_text("body")
    assert "shown as categories: feature.id" in text
    assert "feature.</script><script>document.title='x'</script>" in text
    assert page.title() != "x"
