"""The report page: its numbers, its escaping, that it is whole in one file, and reading curves and videos."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from polymath.data.looking.overlay import attention_overlay
from polymath.errors import DataError
from polymath.evaluation.report import AttentionPicture, render_report, write_report
from polymath.evaluation.report.data import read_curves
from polymath.evaluation.video import read_tags, write_mp4


class Tables(HTMLParser):
    """The text of every table row of a page, by the id of its table."""

    def __init__(self, page):
        super().__init__()
        self.rows: dict[str, list[list[str]]] = {}
        self._cell: list[str] | None = None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag == "table":
            self._table = self.rows.setdefault(dict(attrs).get("id", ""), [])
        elif tag == "tr":
            self._table.append([])
        elif tag in ("td", "th"):
            self._cell = []

    def handle_data(self, data):
        if self._cell is not None:
            self._cell.append(data)

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self._table[-1].append("".join(self._cell).strip().replace("\N{NO-BREAK SPACE}", " "))
            self._cell = None


@pytest.fixture
def data(report_data):
    return report_data


@pytest.fixture
def page(data):
    return render_report(data)


def test_the_success_table_has_rates_intervals_and_gaps(page):
    rows = Tables(page).rows["success-table"]
    # statsmodels 0.15.0, proportion_confint(k, 20, 0.05, "wilson") for k = 14, 8, 0
    assert rows[1] == ["Seen tasks"]
    assert rows[2] == ["polymath-v", "70 %", "48–85 %", "14", "20", "", ""]
    assert rows[3][:5] == ["no-language", "40 %", "22–61 %", "8", "20"]
    assert rows[4][:5] == ["random", "0 %", "0–16 %", "0", "20"]
    # statsmodels 0.15.0, confint_proportions_2indep(14, 20, 8, 20, method="newcomb", compare="diff")
    assert rows[3][5:] == ["+30 points", "-1 to +54"]
    assert rows[5] == ["Novel objects"]
    assert len(rows) == 9


def test_a_gap_whose_interval_holds_zero_is_marked(page):
    text = page.replace("\N{NO-BREAK SPACE}", " ")
    # of the two baselines of the first split, no-language's gap (-1 to +54) may be chance, random's (+45 to +85) is not
    card = text.split('<div class="cards"')[1].split("</section>")[0].split("<section")[0]
    assert "+30 points on no-language (-1 to +54)" in card
    assert "may be chance" in card
    rows = [row for row in text.split("<tr") if "no-language" in row or ">random<" in row]
    assert ["unclear" in row for row in rows if "Seen" not in row][:2] == [True, False]


def test_the_summary_names_the_best_baseline(page):
    text = page.replace("\N{NO-BREAK SPACE}", " ")
    assert "polymath-v succeeds in 70 % of 20 episodes" in text
    assert "the best baseline, no-language, in 40 %" in text
    assert "Scripted-expert demonstrations on Meta-World" in text
    assert "Every policy runs on the same scenes" in text


def test_the_page_is_one_file(page):
    links = re.findall(r'(?:src|href|poster|srcset)="([^"]*)"|url\(([^)]*)\)|@import', page)
    assert links
    assert all((a or b).startswith("data:") for a, b in links)
    assert "<script" not in page


def test_text_is_escaped(page):
    assert "Demo &lt;run&gt;" in page
    assert "<run>" not in page


def test_every_section_is_there(page):
    for section in ("success", "videos", "attention", "curves", "parameters", "time", "reproduce"):
        assert f'<section id="{section}">' in page
    assert page.count("<video ") == 2
    assert page.count("<polyline") == 5  # loss and cross-entropy of both phases, mse of the robot phase alone
    assert page.count('alt="attention of latent') == 8
    assert "1.3 GiB" not in page
    assert "3.0 GiB" in page
    assert "training 7" in page


def test_sections_without_data_are_left_out(data):
    bare = replace(data, curves=(), videos=(), attention=(), parameters={}, stages=(), whole=None)
    page = render_report(bare)
    assert re.findall(r'<section id="(\w+)"', page) == ["success", "reproduce"]


def test_a_policy_without_results_is_an_error(data):
    with pytest.raises(DataError, match="no policy 'other'"):
        render_report(replace(data, policy="other"))


def test_a_missing_video_is_an_error_and_leaves_no_page(data, tmp_path):
    gone = replace(data, videos=(replace(data.videos[0], path=tmp_path / "gone.mp4"),))
    with pytest.raises(DataError, match=r"gone\.mp4: no such video"):
        write_report(gone, tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_different_scenes_are_not_called_the_same(data):
    seen = dict(data.results["seen"])
    seen["random"] = replace(seen["random"], seeds=(99,))
    assert "runs on the same scenes" not in render_report(replace(data, results={**data.results, "seen": seen}))


def test_attention_lights_the_patch_it_looks_at():
    image = np.full((64, 64, 3), 200, np.uint8)
    weights = np.zeros(64, np.float32)
    weights[8 * 2 + 5] = 1  # third row, sixth column of 8 x 8 patches
    brightness = attention_overlay(image, weights).astype(int).sum(axis=2)
    row, column = np.unravel_index(brightness.argmax(), brightness.shape)
    assert (row // 8, column // 8) == (2, 5)
    assert brightness[60, 4] == 3 * 50  # a quarter of the image where nothing is looked at


def test_patches_that_form_no_square_are_refused(data):
    picture = AttentionPicture(np.zeros((8, 8, 3), np.uint8), np.ones((2, 7), np.float32), "")
    with pytest.raises(DataError, match="7 patches form no square"):
        render_report(replace(data, attention=(picture,)))


def test_curves_of_a_resumed_run_count_a_step_once(tmp_path):
    path = tmp_path / "metrics.jsonl"
    rows = [(1, 5.0), (2, 4.0), (3, 3.5), (2, 4.1), (3, 3.0)]
    text = "".join(json.dumps({"phase": "robot", "step": s, "loss": v, "note": "x"}) + "\n" for s, v in rows)
    path.write_text(text + '{"phase": "robot", "st')
    assert read_curves(path, "run").phases == {"robot": {"loss": ([1, 2, 3], [5.0, 4.1, 3.0])}}


@pytest.mark.parametrize("line", ["nonsense", '{"loss": 1}', "[1]"])
def test_curves_that_cannot_be_read_name_the_line(tmp_path, line):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"phase": "robot", "step": 1, "loss": 1}\n' + line + "\n")
    with pytest.raises(DataError, match="line 2"):
        read_curves(path, "run")


def test_videos_keep_their_tags_and_refuse_odd_sizes(tmp_path):
    write_mp4(tmp_path / "a.mp4", np.zeros((3, 16, 16, 3), np.uint8), 10, "open it", "success")
    assert read_tags(tmp_path / "a.mp4") == ("open it", "success")
    with pytest.raises(DataError, match="even height"):
        write_mp4(tmp_path / "b.mp4", np.zeros((3, 15, 16, 3), np.uint8), 10)
    (tmp_path / "c.mp4").write_bytes((tmp_path / "a.mp4").read_bytes()[:50])
    with pytest.raises(DataError, match=r"c\.mp4: not a readable mp4"):
        read_tags(tmp_path / "c.mp4")
