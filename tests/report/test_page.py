"""The page and the Markdown: whole files, nothing fetched, and names stay names."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from edgeserve.accuracy_record import AccuracyRecord, LayerRecord
from edgeserve.board import load_board
from edgeserve.bundle import contents_of_tflite
from edgeserve.bundle_store import Bundle, write_bundle
from edgeserve.cli import main
from edgeserve.measurement import append_record
from edgeserve.pipeline.plan import plan
from edgeserve.pipeline.report import report
from edgeserve.report.markdown import code, escaped
from edgeserve.report.page import html_document
from tests.report.records import PHONE, no_energy, on_board, on_phone, small_model, sustained
from tests.report.test_accuracy_section import RECORD
from tests.unit.test_picture import HOSTILE, Tags

NAME = "</style><script>alert(1)</script>{{ 7 * 7 }}&\"'`|\u202e$x^2$ @all #1"
SHOWN = NAME.replace("\u202e", "\\u202e")


def hostile_accuracy(bundle: Bundle) -> AccuracyRecord:
    layer = replace(RECORD.layers.layers[0], name=NAME, operator=NAME)  # type: ignore[union-attr]
    return replace(
        RECORD,
        model_sha256=bundle.facts.model_sha256,
        classes=(NAME, NAME),
        layers=LayerRecord(16, (NAME,), (layer,), (), (NAME,)),
        helps=(replace(RECORD.helps[0], what=NAME, option=NAME),),
        notes=(NAME,),
    )


@pytest.fixture
def hostile(tmp_path: Path) -> Bundle:
    """A bundle in which every name that others choose is an attack."""
    bundle = write_bundle(tmp_path / "evil", contents_of_tflite(NAME, small_model(NAME)))
    plan(bundle.path, load_board("mps2-an500"))
    board = on_board()
    steps = tuple(replace(step, label=NAME, kernel=NAME) for step in board.steps)
    place = replace(board.place, board=NAME, device=NAME)
    append_record(bundle.measurements_path, replace(board, steps=steps, place=place))
    phone = replace(PHONE.phone, model=NAME, serial=NAME)
    for one in (replace(PHONE, phone=phone), replace(sustained(), phone=phone)):
        append_record(bundle.path / "phone_measurements.jsonl", one)
    append_record(
        bundle.path / "phone_measurements.jsonl",
        on_phone(energy=None, absent=no_energy(NAME), asked=replace(PHONE.asked, threads=3)),
    )
    bundle.record_accuracy(hostile_accuracy(bundle))
    quoted = NAME.replace("\\", "\\\\").replace('"', '\\"').replace("\u202e", "")
    (bundle.path / "claims.toml").write_text(
        f'[[claim]]\nname = "{quoted}"\nfigure = "p50"\nvalue = 1\nunit = "ms"\n'
        f'source = "{quoted}"\n'
    )
    return bundle


def test_names_are_text_in_the_page(hostile: Bundle) -> None:
    document = html_document(report(hostile.path))
    seen = Tags(document)
    assert "script" not in seen.tags
    assert seen.tags.count("style") <= 2, "the page's, and that of one arena"
    assert "49" not in [text.strip() for text in seen.text]
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    assert "\u202e" not in document
    joined = "\n".join(seen.text)
    for where in (f"{SHOWN}\n", f"Measured on: {SHOWN}", f"not measured: {SHOWN}"):
        assert where in joined, where
    assert joined.count(SHOWN) > 15


def test_pages_hold_everything_and_fetch_nothing(phone_bundle: Bundle) -> None:
    document = html_document(report(phone_bundle.path))
    seen = Tags(document)
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(seen.tags)
    links = [value or "" for name, value in seen.attributes if name in ("href", "src")]
    assert links
    assert all(link.startswith("#") for link in links)
    assert not re.search(r"url\((?!#)|@import|@font-face", document)
    (policy,) = (v for n, v in seen.attributes if n == "content" and v and "default-src" in v)
    assert "default-src 'none'" in policy
    assert set(re.findall(r"\w+://[^\s\"<]*", document)) <= {"http://www.w3.org/2000/svg"}
    assert len(document) < 300_000


def test_the_same_records_give_the_same_bytes(phone_bundle: Bundle) -> None:
    first, second = (html_document(report(phone_bundle.path)) for _ in range(2))
    assert first == second


def test_every_colour_of_a_picture_is_one_of_the_pages(phone_bundle: Bundle) -> None:
    document = html_document(report(phone_bundle.path))
    style, body = document.split("</style>", 1)
    used = set(re.findall(r"var\((--\w+)\)", body))
    assert used
    light, dark = style.split("prefers-color-scheme: dark", 1)
    assert used <= set(re.findall(r"(--\w+):", light))
    assert set(re.findall(r"(--\w+):", light)) == set(re.findall(r"(--\w+):", dark))
    assert "#00000" not in body


def test_the_file_is_in_the_bundle_and_written_whole(
    phone_bundle: Bundle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(phone_bundle.path.parent)
    assert main(["report", "camera"]) == 0
    assert capsys.readouterr().out == "camera/report.html\n"
    assert (phone_bundle.path / "report.html").read_text().endswith("</html>\n")
    assert not list(phone_bundle.path.glob(".*"))
    assert main(["report", "camera", "-o", "nowhere/page.html"]) == 2
    assert "cannot write nowhere/page.html" in capsys.readouterr().err


def test_markdown_has_tables_and_no_pictures(
    phone_bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(phone_bundle.path), "--format", "markdown"]) == 0
    said = capsys.readouterr().out
    assert "# camera" in said
    assert "| `Pixel 6, cpu, single, 2 threads` | ms |" in said
    assert "svg" not in said
    file = phone_bundle.path / "report.md"
    options = ["--format", "markdown", "-o", str(file), "--battery", "4600", "--volts", "3.85"]
    assert main(["report", str(phone_bundle.path), *options]) == 0
    assert "Inferences a charge need" not in file.read_text()


def test_names_are_text_in_markdown(hostile: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(hostile.path), "--format", "markdown"]) == 0
    said = capsys.readouterr().out
    tokens = MarkdownIt("commonmark").enable("table").enable("strikethrough").parse(said)
    inner = [child for token in tokens for child in token.children or []]
    kinds = {token.type for token in (*tokens, *inner)}
    assert not kinds & {"html_inline", "html_block", "link_open", "image", "s_open", "fence"}
    codes = [token.content for token in inner if token.type == "code_inline"]
    assert SHOWN in codes
    texts = "".join(token.content for token in inner if token.type.startswith("text"))
    assert SHOWN.replace("@", "@\u200b").replace("#", "#\u200b") in texts
    assert "@all" not in texts
    assert "table_open" in kinds
    for table in re.findall(r"(?:^\|.*\n)+", said, re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1, table


def test_code_and_text_in_markdown() -> None:
    assert code("a|b") == "`a\\|b`"
    assert code("`") == "`` ` ``"
    assert code("a``b") == "```a``b```"
    assert code("") == ""
    assert escaped("a_b*c<d>[e]@f#1&g\n") == ("a\\_b\\*c\\<d\\>\\[e\\]@\u200bf#\u200b1&amp;g ")
    assert "\x1b" not in escaped(HOSTILE)


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_without_the_extra_it_is_one_line(
    phone_bundle: Bundle,
    package: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["report", str(phone_bundle.path)]) == 3
    said = capsys.readouterr().err
    assert f"the Python package {package} is needed" in said
    assert "pip install 'edgeserve[report]'" in said
    assert not (phone_bundle.path / "report.html").exists()
    assert main(["report", str(phone_bundle.path), "--format", "markdown"]) == 0


@pytest.mark.parametrize(
    "arguments",
    [("--battery", "4600"), ("--volts", "3.85"), ("--claims", "no/such.toml")],
)
def test_half_a_battery_and_claims_that_are_not_there(
    phone_bundle: Bundle, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert main(["report", str(phone_bundle.path), *arguments]) == 2
    assert "error:" in capsys.readouterr().err


def test_a_damaged_record_names_its_line(
    phone_bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    file = phone_bundle.path / "phone_measurements.jsonl"
    file.write_text(file.read_text() + "{}\n")
    assert main(["report", str(phone_bundle.path)]) == 2
    assert "phone_measurements.jsonl:3" in capsys.readouterr().err
