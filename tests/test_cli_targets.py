"""--quality, --min-score and --max-bytes of the command, as processes."""

import json

import pytest
from process import listing, one_line


def test_a_score_chooses_the_size_and_the_report_says_so(smalti, folder):
    done = smalti("a.png", "--min-score", "70", "-o", "out.png")

    assert "256 colors score 70 at size" in " ".join(done.stdout.split())
    assert (folder / "out.png").exists()


def test_a_size_holds(smalti, folder):
    smalti("a.png", "--max-bytes", "2.5k", "-o", "out.png")

    assert (folder / "out.png").stat().st_size <= 2500


@pytest.mark.parametrize("quality", ["60-80", "-60", "70", "50-"])
def test_qualities_of_pngquant_work(smalti, folder, quality):
    record = json.loads(smalti("a.png", "-Q", quality, "-o", "out.png", "--json").stdout)

    assert record["quality"] >= int(quality.split("-")[0] or 0) * 0.9
    assert record["tries"] >= 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--quality", "99-100", "-k", "4"], "a quality of 99 is not reached; the best is"),
        (["--min-score", "99", "-k", "4"], "an SSIMULACRA2 score of 99 is not reached"),
        (["--max-bytes", "60"], "no number of colors fits into 60 bytes; the smallest"),
        (["--max-bytes", "1k", "--min-score", "95"], "is not reached within 1,000 bytes"),
    ],
)
def test_a_target_that_cannot_be_had_is_exit_code_99_and_writes_nothing(
    smalti, folder, arguments, says
):
    before = listing(folder)

    done = smalti("a.png", *arguments, code=99)

    assert says in one_line(done.stderr)
    assert done.stdout == ""
    assert listing(folder) == before


def test_standard_output_stays_empty_where_a_target_is_missed(smalti, folder):
    data = (folder / "a.png").read_bytes()

    assert smalti("-", "--max-bytes", "60", stdin=data, code=99, binary=True).stdout == b""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--quality", "80-60"], "quality must be MIN-MAX"),
        (["--min-score", "101"], "--min-score must be a number from 0 to 100"),
        (["--max-bytes", "small"], "max_bytes must be a number of bytes"),
    ],
)
def test_wrong_targets_are_refused_once_for_all_files(smalti, arguments, says):
    done = smalti("a.png", "b.png", *arguments, code=2)

    assert done.stderr.count(says) == 1


def test_each_of_several_files_gets_its_own_k(smalti, folder):
    done = smalti("a.png", "b.png", "--max-bytes", "2500", "-j", "2", "--out-dir", "out", "--json")

    records = [json.loads(line) for line in done.stdout.splitlines()]

    assert [record["bytes_out"] <= 2500 for record in records] == [True, True]
    assert len(listing(folder / "out")) == 2


def test_one_file_that_misses_does_not_stop_the_others(smalti, folder):
    done = smalti("a.png", "b.png", "--max-bytes", "60", code=1)

    assert done.stderr.count("no number of colors fits into 60 bytes") == 2


def test_verbose_tells_every_try(smalti):
    done = smalti("a.png", "--min-score", "70", "-o", "out.png", "-v", "--json")

    tries = [line for line in done.stderr.splitlines() if line.startswith("k = ")]

    assert len(tries) == json.loads(done.stdout)["tries"]
    assert all("score" in line for line in tries)


def test_the_help_lists_exit_code_99(smalti):
    assert "99 a quality" in " ".join(smalti("compress", "--help").stdout.split())
