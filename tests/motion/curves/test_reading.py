import json

import numpy as np
import pytest

from kinetune.errors import MotionError
from kinetune.motion.curves.reading import curves_of, read_curves
from kinetune.motion.io.formats import ReadOptions, read_motion_file

ROWS = [(0.0, 1.0, 5.0), (0.5, 2.0, 4.0), (1.5, 4.0, 4.5)]


def write(folder, text, name="curves.csv"):
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_of_any_delimiter(tmp_path, delimiter):
    lines = [delimiter.join(["x", "time", "y"])]
    lines += [delimiter.join(map(str, (x, t, y))) for t, x, y in ROWS]
    got = read_curves(write(tmp_path, "\n".join(lines)))
    assert got.names == ("x", "y")
    np.testing.assert_array_equal(got.times_s, [0.0, 0.5, 1.5])
    np.testing.assert_array_equal(got.values, [[1, 5], [2, 4], [4, 4.5]])


def test_decimal_commas_between_semicolons(tmp_path):
    got = read_curves(write(tmp_path, "time;x\n0,0;1,5\n1,0;2,5\n"))
    np.testing.assert_array_equal(got.values[:, 0], [1.5, 2.5])


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("time_ms,x", ("1000", "1250", "2500")),
        ("t,x", ("7", "7.25", "8.5")),
        ("Time (s),x", ("0", "0.25", "1.5")),
        ("timestamp,x", ("2026-05-01T12:00", "2026-05-01T12:00:00.250", "2026-05-01T12:00:01.5")),
        ("date,x", ("2026-05-01 12:00:00Z", "2026-05-01 12:00:00.25Z", "2026-05-01 12:00:01.5Z")),
    ],
)  # fmt: skip
def test_times_in_any_form_are_seconds_from_the_first_row(tmp_path, header, cells):
    rows = [f"{cell},{k * k}" for k, cell in enumerate(cells)]
    got = read_curves(write(tmp_path, "\n".join([header, *rows])))
    np.testing.assert_allclose(got.times_s, [0.0, 0.25, 1.5])


def test_without_times_the_rate_gives_them_and_frames_are_counted(tmp_path):
    rows = "\n".join(["x", *map(str, range(50))])
    got = read_curves(write(tmp_path, rows), fps=25.0)
    assert got.times_s[-1] == pytest.approx(49 / 25)
    sparse = "\n".join(["frame,x", "10,0", "20,1", "60,0"])
    got = read_curves(write(tmp_path, sparse), fps=25.0)
    np.testing.assert_allclose(got.times_s, [0.0, 0.4, 2.0])


def test_json_of_lists_and_of_rows_and_npz_hold_the_same(tmp_path):
    values = [float(k % 3) for k in range(40)]
    one = write(tmp_path, json.dumps({"fps": 20, "x": values}), "a.json")
    times = [k / 20 for k in range(40)]
    rows = [{"time": t, "x": x} for t, x in zip(times, values, strict=True)]
    other = write(tmp_path, json.dumps(rows), "b.json")
    np.savez(tmp_path / "c.npz", x=np.array(values), fps=20.0)
    for path in (one, other, tmp_path / "c.npz"):
        got = read_curves(path)
        np.testing.assert_allclose(got.times_s, times)
        np.testing.assert_array_equal(got.values[:, 0], values)


def test_columns_that_stand_still_are_left_out():
    got = curves_of({"time": [0, 1, 2], "x": [1, 2, 3], "y": [5, 5, 5]})
    assert got.names == ("x",)


@pytest.mark.parametrize(
    ("name", "values", "is_tempo"),
    [
        ("heart_rate", [70, 80, 90], True),
        ("BPM", [120, 120, 120], True),
        ("hr", [0.1, 0.5, 0.2], False),
        ("height", [70, 80, 90], False),
    ],
)
def test_a_column_of_beats_a_minute_is_known_by_name_and_range(name, values, is_tempo):
    got = curves_of({"time": [0, 1, 2], name: values, "x": [1, 2, 1]})
    assert (got.tempo_column is not None) == is_tempo


def test_ten_columns_are_read(tmp_path):
    header = ",".join(["time", *(f"c{k}" for k in range(10))])
    rows = [",".join(map(str, [t / 10, *np.sin(t + np.arange(10))])) for t in range(40)]
    got = read_motion_file(write(tmp_path, "\n".join([header, *rows])))
    assert (got.format, got.joints) == ("curves", 10)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,x\n0,1\n1,nan\n2,3\n", "row 3, column x: expected a number, found 'nan'"),
        ("time,x\n0,1\n1,\n2,3\n", "row 3, column x: expected a number, found ''"),
        ("time,x\n0,1\n1,a\n2,3\n", "row 3, column x: expected a number, found 'a'"),
        ("time,x\n0,1\n1,inf\n2,3\n", "row 3, column x"),
        ("time,x\n0,5\n1,5\n2,5\n", "nothing changes in x"),
        ("time,x\n0,1\n2,2\n1,3\n", "row 4: expected times that ascend, found 1 s after 2 s"),
        ("time,x\n0,1\n0,2\n1,3\n", "row 3: expected times that ascend"),
        ("time,x\n0,1\n", "expected two rows or more, found 1"),
        ("time,x\n", "expected two rows or more, found 0"),
        ("0,1\n1,2\n2,3\n", "expected a first line that names the columns"),
        ("x,y\n0,1\n1,2\n2,3\n", "expected a column of times, found x, y; name one time"),
        ("time,x,x\n0,1,1\n1,2,2\n", "column 3 is called 'x' like one before it"),
        ("time,\n0,1\n1,2\n", "column 2 has no name"),
        ("time,x\n0,1\n1\n", "row 3: expected 2 values, found 1"),
        ("time,x\n0,1\n0.1,2\n", "expected 1 s to 2 h of curves, found 0.1 s"),
        ("time,x\nnoon,1\none,2\n", "expected seconds or ISO 8601 times"),
        ("time\n0\n1\n2\n", "nothing changes in it"),
        ("\n\n", "the file is empty"),
    ],
)
def test_bad_tables_are_one_line(tmp_path, text, message):
    with pytest.raises(MotionError) as caught:
        read_motion_file(write(tmp_path, text))
    assert message in str(caught.value)
    assert "curves.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2, 3]", "expected an object of lists"),
        ('{"x": [1, 2, 3]}', "expected a column of times"),
        ('{"time": [0, 1], "x": [1, 2, 3]}', "expected columns of one length"),
        ('[{"time": 0, "x": 1}, {"time": 1}]', "row 2: expected the names"),
        ('{"fps": "fast", "x": [1, 2]}', "fps must be a number"),
        ('{"fps": 20, "x": [1, 2', "not JSON that can be read"),
    ],
)
def test_bad_json_is_one_line(tmp_path, text, message):
    with pytest.raises(MotionError, match=message):
        read_motion_file(write(tmp_path, text, "a.json"))


def test_options_of_skeletons_are_refused(tmp_path):
    path = write(tmp_path, "time,x\n0,1\n1,2\n2,0\n")
    with pytest.raises(MotionError, match="this file holds one only"):
        read_motion_file(path, ReadOptions(animation="walk"))
