"""A study's file in a data URL: it is read as the file is, and what is no such URL is refused."""

import base64
import re
from pathlib import Path

import pytest

from app.errors import InputError
from app.studies import embedded, rows
from app.studies.folder import StudyFiles


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("grid.csv", b"model,seed\r\ncnn,1\r\nvit_classic,2"),
        ("grid", b"\xef\xbb\xbfmodel,tag\ncnn,\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbe\n"),  # of which base64 makes / and +
        ("a grid (2).yaml", b"base: {model: cnn}\ncross: {seed: 0-2}\nruns: [{seed: 7}]\n"),
    ],
)
def test_a_url_is_read_as_its_file(tmp_path, name, text):
    file = tmp_path / name
    file.write_bytes(text)
    url = Path(embedded.of_file(file))
    assert str(url) == embedded.of_file(file)  # no part of it is lost as a path
    assert rows.of_file(url, options={}, axes={}) == rows.of_file(file, options={}, axes={})
    assert StudyFiles.of(Path("runs"), url, ()) == StudyFiles.of(Path("runs"), file, ())
    assert str(url).startswith("data:application/yaml;" if name.endswith("yaml") else "data:text/csv;")


DATA = base64.urlsafe_b64encode(b"seed\n1\n").decode()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (f"data:text/plain;name=a.csv;base64,{DATA}", "has the type 'text/plain'. Use text/csv or application/yaml"),
        (f"data:;name=a.csv;base64,{DATA}", "has the type ''"),
        ("data:text/csv;name=a.csv,seed%0A1", "is not a name and base64. Write it as `data:text/csv;name="),
        (f"data:text/csv;base64,{DATA}", "is not a name and base64"),
        ("data:text/csv;name=a.csv;base64", "is not a name and base64"),
        (f"data:text/csv;name=a.yaml;base64,{DATA}", "has the type text/csv, but a.yaml is application/yaml"),
        (f"data:text/csv;name=..;base64,{DATA}", "name='..' is not a name for a study"),
        (f"data:text/csv;name=b%2F..%2Fa.csv;base64,{DATA}", "is not a name for a study"),
        (f"data:text/csv;name=a%0Ab.csv;base64,{DATA}", "is not a name for a study"),
        (f"data:text/csv;name=a.csv;base64,{DATA[:-3]}", "a.csv in the data URL is not in URL-safe base64"),
        ("data:text/csv;name=a.csv;base64,c2Vl+Aox", "is not in URL-safe base64 (it has other characters"),
        ("data:text/csv;name=a.csv;base64,", "a.csv has no runs"),
        (f"data:text/csv;name=a.csv;base64,{'AAAA' * 21846}", "a.csv has 65,538 bytes, and a data URL may have 65,536"),
        ("data:text/csv;name=a.csv;base64,_w==", "a.csv is not text in UTF-8"),
    ],
)
def test_what_is_no_study_in_a_url_is_refused(url, says):
    with pytest.raises(InputError, match=re.escape(says)):
        rows.of_file(Path(url), options={}, axes={})


def test_a_file_that_is_too_large_is_not_put_in_a_url(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"#" * (embedded.MOST_BYTES + 1))
    with pytest.raises(InputError, match="65,537 bytes, and a data URL may have 65,536"):
        embedded.of_file(tmp_path / "a.csv")
