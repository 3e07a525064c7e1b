import numpy as np
import pytest

from kinetune.corpus.choreography.labelled_dances import (
    CREDIT,
    labelled_beats,
    labelled_dances,
    packed,
)
from kinetune.corpus.choreography.motion_library import library


def test_labelled_dances_count_dancers_and_tempi():
    dances = labelled_dances()
    assert len(dances) == 125
    assert len({dance.dancer for dance in dances}) == 18
    for dance in dances:
        code, digit = dance.clip.name.split("_")[4][1:3], int(dance.clip.name.split("_")[4][3])
        tempi = (110, 115, 120, 125, 130, 135) if code == "HO" else (80, 90, 100, 110, 120, 130)
        assert dance.bpm == tempi[digit]
        assert dance.clip.source == CREDIT


def test_labelled_basic_dances_last_sixteen_beats():
    for dance in labelled_dances():
        if "_sBM_" in dance.clip.name:
            assert dance.downbeat_s == 0.0
            assert dance.clip.duration_s * dance.bpm / 60.0 == pytest.approx(16.0, abs=0.1)
            np.testing.assert_allclose(labelled_beats(dance.clip), dance.beats_s)
        else:
            assert dance.downbeat_s is None
            assert labelled_beats(dance.clip) is None


def test_other_clips_have_no_labels():
    assert labelled_beats(library()[0]) is None


def test_packing_and_unpacking_a_dance_is_exact():
    clip = labelled_dances()[3].clip
    again = np.cumsum(packed(clip).T, axis=0)
    pose = again[:, :72].reshape(-1, 24, 3) * np.pi / 3600.0
    np.testing.assert_allclose(pose, clip.axis_angle, atol=np.pi / 3600.0)
