import numpy as np
import pytest

from kinetune.errors import MotionError
from kinetune.motion.io.bvh import parse_bvh

TEXT = """HIERARCHY
ROOT Hips
{
  OFFSET 0.0 1.0 2.0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT mixamorig:Left Leg
  {
    OFFSET 0 -1e1 .5
    CHANNELS 1 Xrotation
    End Site
    {
      OFFSET 0 0 3
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.0333333
1 2 3 4 5 6 7
-1 -2.5e-1 3 4 5 6 7
"""


def changed(old, new):
    assert old in TEXT
    return TEXT.replace(old, new)


def test_hierarchy_and_numbers_come_out_as_written():
    bvh = parse_bvh(TEXT)
    tree = bvh.hierarchy
    assert tree.names == ("Hips", "mixamorig:Left Leg")
    assert tree.parents == (-1, 0)
    assert tree.channels[1] == ("Xrotation",)
    np.testing.assert_array_equal(tree.offsets, [[0, 1, 2], [0, -10, 0.5]])
    np.testing.assert_array_equal(tree.ends, [[0, 0, 0], [0, 0, 3]])
    np.testing.assert_array_equal(bvh.values, [[1, 2, 3, 4, 5, 6, 7], [-1, -0.25, 3, 4, 5, 6, 7]])
    assert bvh.fps == 30.0


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("  ", "\t").replace("Frame Time: ", "Frame Time:\t").replace("7\n", "7 \t\n"),
        "\ufeff" + TEXT,
        "\n\n" + TEXT + "\n\n",
        TEXT.replace("\n  {", " {").replace("\n{", " {"),
        TEXT.replace("CHANNELS", "Channels").replace("End Site", "END SITE").upper().title(),
        TEXT.replace("6 7\n", "6\n7\n"),
    ],
)
def test_spacing_braces_and_case_do_not_matter(text):
    want, got = parse_bvh(TEXT), parse_bvh(text.removeprefix("\ufeff"))
    np.testing.assert_array_equal(got.values, want.values)
    assert got.hierarchy.parents == want.hierarchy.parents
    assert got.hierarchy.channels == want.hierarchy.channels
    assert got.fps == want.fps


def test_a_joint_may_have_no_channels():
    bvh = parse_bvh(TEXT.replace("    CHANNELS 1 Xrotation\n", "").replace(" 7\n", "\n"))
    assert bvh.hierarchy.channels[1] == ()


@pytest.mark.parametrize(
    ("printed", "fps"),
    [
        ("0.0083333", 120.0), (".0083333", 120.0), ("0.033333", 30.0), ("0.0166667", 60.0),
        ("0.04", 25.0), ("0.0416667", 24.0), ("0.01", 100.0), ("0.033367", 29.97),
        ("0.2", 5.0), ("0.001", 1000.0), ("8.33333E-3", 120.0), ("0.0303030303", 33.0),
    ],
)  # fmt: skip
def test_a_rounded_frame_time_becomes_the_rate_that_was_meant(printed, fps):
    assert parse_bvh(changed("0.0333333", printed)).fps == pytest.approx(fps, rel=1e-8)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("MOTION\n", "", "expected a line MOTION"),
        ("Frames: 2", "Frames: 3", "line 20: expected 3 frames as 'Frames:' says, found 2"),
        ("Frames: 2", "Frames: 1", "line 20: expected 1 frames as 'Frames:' says, found 2"),
        ("Frames: 2", "Frames: 0", "line 17: the motion has no frames"),
        ("Frames: 2", "Frames: many", "line 17: expected a number of frames, found 'many'"),
        ("Frames: 2\n", "", "line 17: expected 'Frames: N'"),
        ("0.0333333", "0", "line 18: expected a frame time in seconds above 0, found '0'"),
        ("0.0333333", "-1", "line 18: expected a frame time"),
        ("0.0333333", "nan", "line 18: expected a frame time"),
        ("0.0333333", "0,0333", "line 18: expected a frame time"),
        ("1 2 3 4 5 6 7", "1 2 3 4 5 6", "line 19: expected 7 numbers, .* found 6"),
        ("-2.5e-1 3 4 5 6 7", "-2.5e-1 3 4", "line 20: expected 7 numbers, .* found 4"),
        ("1 2 3 4 5 6 7", "1 2 3 x 5 6 7", "line 19: expected numbers, found 'x'"),
        ("1 2 3 4 5 6 7", "1 2 3 4,5 5 6 7", "line 19: expected numbers, found '4,5'"),
        ("-2.5e-1", "nan", "line 20: frame 1 holds NaN"),
        ("-2.5e-1", "1e300", "line 20: frame 1 holds NaN"),
        ("  OFFSET 0.0 1.0 2.0\n", "", "'Hips' has no OFFSET"),
        ("OFFSET 0.0 1.0 2.0", "OFFSET 0.0 1.0", "line 4: expected OFFSET and three numbers"),
        ("OFFSET 0.0 1.0 2.0", "OFFSET 0.0 1.0 x", "line 4: expected OFFSET and three numbers"),
        ("CHANNELS 1 X", "CHANNELS 2 X", "line 9: expected CHANNELS"),
        ("1 Xrotation", "1 Wrotation", "line 9: expected CHANNELS"),
        ("1 Xrotation", "2 Xrotation Xrotation", "line 9: expected CHANNELS"),
        ("  JOINT mixamorig:Left Leg\n", "", "line 6: a brace opens without"),
        ("  }\n}\n", "  }\n", "ends with 1 braces open; the file is cut short"),
        ("  }\n}\n", "  }\n}\n}\n", "line 16: a brace closes"),
        ("ROOT Hips\n{", "ROOT Hips\n", "line 4: an OFFSET outside"),
        ("    End Site\n", "    Nub\n", "line 10: expected one of ROOT"),
        ("HIERARCHY\n", "HIERARCHY\nEnd Site\n", "line 2: an End Site outside a joint"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_line(old, new, message):
    with pytest.raises(MotionError, match="dance.bvh.*" + message) as caught:
        parse_bvh(changed(old, new), context="dance.bvh")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_file_cut_short_anywhere_is_an_error(share):
    with pytest.raises(MotionError):
        parse_bvh(TEXT[: int(share * len(TEXT))])


def test_a_hierarchy_without_joints_is_an_error():
    with pytest.raises(MotionError, match="expected ROOT"):
        parse_bvh("HIERARCHY\nMOTION\nFrames: 1\nFrame Time: 1\n")
