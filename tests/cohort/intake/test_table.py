"""Tables as they come: of several systems, in several tongues, or none at all."""

import pytest

from liver_jax.cohort.intake import table
from liver_jax.cohort.intake.download import Download


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfid;sex;city\n007;F;K\xc3\xb6ln\nB;M;\n",  # UTF-8 with its mark
        b"id,sex,city\r\n7,F,K\xf6ln\r\nb,M,\r\n",  # Windows, Latin-1
        b"id\tsex\tcity\r7\tF\tK\xf6ln\rB\tM\t\r",  # an old Mac
        b'id,sex,city\n7,F,"K\xc3\xb6ln"\nB,M,,,\n\n',  # cells too many
    ],
)
def test_tables_of_many_origins(tmp_path, content):
    (tmp_path / "meta.csv").write_bytes(content)
    download = Download(tmp_path)
    rows = table.rows(download, r"meta\.csv", "id")
    assert set(rows) == {"7", "b"} and not download.unopened
    assert table.columns(rows["7"], {"sex": "sex", "city": "town", "age": "age"}) == {
        "sex": "F",
        "town": "Köln",
    }
    assert table.by_two(download, r"meta\.csv", ("id", "sex"), "city") == {
        ("7", "F".lower()): "Köln"
    }


def test_what_is_no_table_costs_what_it_tells_and_is_noted(tmp_path):
    (tmp_path / "meta.csv").write_bytes(b"id,sex\n1," + b"x" * 200_000)
    (tmp_path / "told.json").write_bytes(b"[1, 2]")
    (tmp_path / "gone.csv").symlink_to(tmp_path / "absent")
    download = Download(tmp_path)
    assert table.rows(download, r"meta\.csv", "id") == {}
    assert table.rows(download, r"gone\.csv", "id") == {}
    assert table.rows(download, r"absent\.csv", "id") == {}
    (entry,) = [entry for entry in download.entries if entry.name == "told.json"]
    assert table.json_object(download, entry) == {}
    assert set(download.unopened) == {"meta.csv", "gone.csv", "told.json"}
