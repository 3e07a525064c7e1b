import numpy as np
import pytest
import torch

from kinetune.audio.loudness import integrated_lufs
from kinetune.audio.sound import Sound, resample
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.errors import AudioError, ConfigError
from kinetune.model.conditioning.bars import bar_lines
from kinetune.model.conditioning.control_score import ControlScore, Silence
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.sampling import editing
from kinetune.model.sampling.edit_spec import EditSpec, edit_span
from kinetune.model.sampling.editing import crossfade_into, edit_music
from kinetune.model.vae import decode_latents
from kinetune.motion.beats.beat_grid import fixed_grid, grid_of_beats
from tests.conftest import swaying_clip

RATE_HZ = 22_050
GRID = fixed_grid(120.0, 0.0, 12.0)


@pytest.fixture(scope="module")
def dance():
    return swaying_clip(duration_s=12.0)


@pytest.fixture(scope="module")
def music(mono_pipeline):
    return mono_pipeline(swaying_clip(duration_s=9.0), genre="HO", grid=GRID, seed=7).sound


def changed(pipeline, sound, clip, change, *, seed=1, genre="HO", grid=GRID, lufs=None, **how):
    sampling = pipeline.sampling_options(seed, **how)
    return edit_music(
        pipeline, sound, clip, change, genre=genre, sampling=sampling, grid=grid, model_lufs=lufs
    )


def span_of(one, two):
    """First and last second at which two sounds differ."""
    apart = np.abs(one.samples - two.samples)
    places = np.nonzero(apart if apart.ndim == 1 else apart.max(axis=1))[0]
    return places[0] / one.rate_hz, places[-1] / one.rate_hz


@pytest.mark.parametrize("rate_hz", [22_050, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_outside_the_span_every_sample_stays(mono_pipeline, music, dance, rate_hz, channels):
    sound = resample(music, rate_hz)
    if channels == 2:
        sound = Sound(np.stack([sound.samples, 0.5 * sound.samples], axis=1), rate_hz)
    made = changed(mono_pipeline, sound, dance, EditSpec(redo=(3.1, 4.9), exact=True))
    assert made.sound.samples.shape == sound.samples.shape
    assert made.sound.rate_hz == rate_hz
    first_s, last_s = span_of(made.sound, sound)
    assert 3.1 - 0.013 < first_s < 3.2
    assert 4.8 < last_s < 4.9


def test_a_span_is_moved_to_bars_unless_it_shall_be_exact(mono_pipeline, music, dance):
    made = changed(mono_pipeline, music, dance, EditSpec(redo=(2.3, 5.5)))
    assert (made.start_s, made.end_s) == pytest.approx((2.0, 6.0))
    exact = changed(mono_pipeline, music, dance, EditSpec(redo=(2.3, 5.5), exact=True))
    assert (exact.start_s, exact.end_s) == (2.3, 5.5)


def test_redoing_to_the_very_end_and_from_the_very_beginning(mono_pipeline, music, dance):
    whole = (0.0, music.duration_s)
    made = changed(mono_pipeline, music, dance, EditSpec(redo=whole, exact=True))
    assert len(made.sound.samples) == len(music.samples)
    first_s, last_s = span_of(made.sound, music)
    assert first_s < 0.05
    assert last_s > 8.95


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 2},
        {"genre": "BR"},
        {"steps": 5},
        {"guidance": 4.0},
        {"grid": fixed_grid(91.0, 0.0, 12.0)},
    ],
)
def test_every_option_changes_the_span(mono_pipeline, music, dance, change):
    base = {"seed": 1, "genre": "HO"}
    ask = EditSpec(redo=(3.0, 5.0), exact=True)
    one = changed(mono_pipeline, music, dance, ask, **base)
    two = changed(mono_pipeline, music, dance, ask, **(base | change))
    assert not np.allclose(one.sound.samples, two.sound.samples, atol=1e-5)


def test_the_same_seed_gives_the_same_samples(mono_pipeline, music, dance):
    one, two = (changed(mono_pipeline, music, dance, EditSpec(redo=(2.0, 4.0))) for _ in range(2))
    np.testing.assert_array_equal(one.sound.samples, two.sound.samples)


def test_continuation_keeps_music_and_adds_requested_length(mono_pipeline, music, dance):
    made = changed(mono_pipeline, music, dance, EditSpec(continue_s=2.5, exact=True))
    count = len(music.samples)
    assert made.sound.duration_s == pytest.approx(11.5, abs=0.01)
    kept = count - int(0.013 * RATE_HZ)
    np.testing.assert_array_equal(made.sound.samples[:kept], music.samples[:kept])
    assert np.sqrt((made.sound.samples[count:] ** 2).mean()) > 0.01


def test_continuing_begins_at_the_last_bar_line(mono_pipeline, music, dance):
    made = changed(mono_pipeline, music, dance, EditSpec(continue_s=2.5))
    assert (made.start_s, made.end_s) == pytest.approx((8.0, 12.0))
    assert made.sound.duration_s == pytest.approx(12.0, abs=0.01)


def test_a_stronger_change_goes_further(mono_pipeline, music, dance):
    def apart(strength):
        made = changed(mono_pipeline, music, dance, EditSpec(strength=strength))
        assert len(made.sound.samples) == len(music.samples)
        mels = [mono_pipeline.mel.encode(torch.from_numpy(s.samples)[None])
                for s in (made.sound, music)]  # fmt: skip
        return float((mels[0] - mels[1]).abs().mean())

    # The tiny codec alone moves the mel by much, so only far apart strengths are compared.
    assert apart(0.02) < apart(1.0)


@torch.no_grad()
def test_a_weak_change_of_a_latent_hardly_moves_it(mono_pipeline, dance):
    """Without the codec in the way: the latent itself, from which a little noise is taken."""
    from kinetune.model.sampling.inpainting import KnownLatents

    plan = mono_pipeline.plan(9.0)
    conditions = mono_pipeline.conditions.of_dance(dance, GRID, "HO", plan, guided=False)
    clean = torch.randn(1, 4, 1, plan.total, generator=torch.Generator().manual_seed(3))
    moved = []
    for strength in (0.02, 0.3, 1.0):
        held = KnownLatents(clean, torch.zeros(plan.total), strength)
        sampling = mono_pipeline.sampling_options(1, 4, 1.0)
        out = mono_pipeline.denoise(plan, conditions, sampling, held)
        moved.append(float((out - clean).square().mean()))
    assert moved == sorted(moved)
    assert moved[0] < 0.1 * moved[2]


def test_keeping_the_rhythm_changes_the_result(mono_pipeline, music, dance):
    kept, free = (
        changed(mono_pipeline, music, dance, EditSpec(strength=1.0, keep_rhythm=keep), genre="BR")
        for keep in (True, False)
    )
    assert not np.allclose(kept.sound.samples, free.sound.samples, atol=1e-4)
    assert EditSpec(keep_rhythm=True).amount == 1.0


def test_a_quiet_file_stays_quiet(mono_pipeline, music, dance):
    # Neither so loud that what is new meets the ceiling.
    quiet, loud = (Sound(music.samples * np.float32(gain), RATE_HZ) for gain in (0.002, 0.2))
    change = EditSpec(redo=(3.0, 5.0), exact=True)
    made, loud = (changed(mono_pipeline, sound, dance, change) for sound in (quiet, loud))
    # The gain back from the loudness is measured, so equal but for rounding.
    new = slice(int(3.1 * RATE_HZ), int(4.8 * RATE_HZ))
    scale = np.abs(loud.sound.samples[new]).max()
    np.testing.assert_allclose(
        made.sound.samples[new] / 0.01, loud.sound.samples[new], atol=0.02 * scale
    )


def test_an_encoded_latent_is_the_codecs_own(mono_pipeline):
    """Windows of one length, joined: in one window's reach the same as encoding it alone."""
    from kinetune.model.vae import posterior_of, scale_latents

    plan = mono_pipeline.layout.plan(32)
    mel = torch.rand(1, 32, plan.total * 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = mono_pipeline.encode(plan, mel)
    expected = scale_latents(mono_pipeline.vae, posterior_of(mono_pipeline.vae, mel)[0])
    torch.testing.assert_close(found, expected)
    assert decode_latents(mono_pipeline.vae, found).shape == mel.shape


def test_the_papers_design_edits_too(paper_pipeline):
    clip = swaying_clip(duration_s=8.0)
    sound = paper_pipeline(swaying_clip(duration_s=7.0), genre="BR").sound
    grid = fixed_grid(120.0, 0.0, 8.0)
    made = changed(paper_pipeline, sound, clip, EditSpec(redo=(2.0, 4.0)), genre="BR", grid=grid)
    assert np.isfinite(made.sound.samples).all()
    old, new = (np.sqrt((s.samples[int(2.2 * RATE_HZ) : int(3.8 * RATE_HZ)] ** 2).mean())
                for s in (sound, made.sound))  # fmt: skip
    assert 0.1 < new / old < 10.0
    longer = changed(paper_pipeline, sound, clip, EditSpec(continue_s=1.0), genre="BR", grid=grid)
    assert longer.sound.duration_s == pytest.approx(8.0, abs=0.01)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"redo": (5.0, 3.0)}, "before it ends"),
        ({"redo": (-1.0, 3.0)}, "at 0 s or later"),
        ({"redo": (1.0, 2.0), "continue_s": 5.0}, "not both"),
        ({"continue_s": -5.0}, "continue for"),
        ({"continue_s": 5.0, "strength": 0.5}, "all new"),
        ({"continue_s": 5.0, "keep_rhythm": True}, "all new"),
        ({"strength": 0.0}, "strength must be"),
        ({"strength": 2.0}, "strength must be"),
    ],
)
def test_an_impossible_change_is_reported(change, message):
    with pytest.raises(ConfigError, match=message):
        EditSpec(**change)


@pytest.mark.parametrize(
    ("change", "music_s", "message"),
    [
        (EditSpec(redo=(3.0, 50.0)), 9.0, "the music lasts 9.00 s"),
        (EditSpec(redo=(3.0, 14.0)), 20.0, "the dance lasts 12.00 s"),
        (EditSpec(continue_s=20.0), 9.0, "needs 29.00 s"),
        (EditSpec(strength=0.5), 20.0, "redo a stretch inside the dance"),
    ],
)
def test_a_span_outside_music_or_dance_is_reported(dance, change, music_s, message):
    with pytest.raises(ConfigError, match=message):
        edit_span(change, music_s, dance, GRID)


def test_silence_can_not_be_gone_on_from(mono_pipeline, dance):
    silent = Sound(np.zeros(5 * RATE_HZ, np.float32), RATE_HZ)
    with pytest.raises(AudioError, match="silent"):
        changed(mono_pipeline, silent, dance, EditSpec(continue_s=2.0))


def test_editing_near_the_end_of_long_music_looks_only_around_it(mono_pipeline):
    """The work does not grow with the music: the denoiser sees a window or two."""
    clip = swaying_clip(duration_s=60.0)
    sound = Sound(np.random.default_rng(0).normal(size=60 * RATE_HZ).astype(np.float32) * 0.1,
                  RATE_HZ)  # fmt: skip
    widths = []
    plain = mono_pipeline.denoise

    def counting(plan, *rest):
        widths.append(plan.total)
        return plain(plan, *rest)

    grid = fixed_grid(120.0, 0.0, 60.0)
    try:
        mono_pipeline.denoise = counting
        made = changed(mono_pipeline, sound, clip, EditSpec(redo=(50.0, 52.0)), grid=grid)
    finally:
        del mono_pipeline.denoise
    assert widths[0] * mono_pipeline.layout.seconds_of(1) < 20.0
    first_s, last_s = span_of(made.sound, sound)
    assert 49.98 < first_s < last_s < 52.0


def test_what_is_new_is_as_loud_as_what_was_there():
    pipeline = DanceToMusicPipeline.from_pretrained()
    grid = fixed_grid(120.0, 0.0, 8.0)
    apart_db = []
    for seed, code in enumerate(("HO", "JS", "BR", "MH")):
        clip = choreograph(
            5_600_000 + seed, DanceRequest(genre=code, bpm=120.0, duration_s=8.0)
        ).clip
        music = pipeline(clip, genre=code, grid=grid, seed=seed, num_inference_steps=6)
        change = EditSpec(redo=(2.0, 6.0))
        made = changed(
            pipeline, music.sound, clip, change, genre=code, grid=grid, steps=6,
            lufs=music.model_lufs,
        )  # fmt: skip
        stretch = slice(2 * music.sound.rate_hz, 6 * music.sound.rate_hz)
        power = [np.square(sound.samples[stretch]).mean() for sound in (made.sound, music.sound)]
        apart_db.append(10.0 * np.log10(power[0] / power[1]))
    assert abs(np.mean(apart_db)) < 1.5
    assert np.abs(apart_db).max() < 4.0


def test_the_loudness_of_the_model_is_that_before_matching(mono_pipeline, dance):
    music = mono_pipeline(dance, genre="HO", grid=GRID, seed=7)
    mel = torch.from_numpy(music.mel)[None]
    raw = mono_pipeline.synthesiser.sound(mel, dance.duration_s, seed=7)
    assert music.model_lufs == pytest.approx(integrated_lufs(raw), abs=0.01)
    assert integrated_lufs(music.sound) == pytest.approx(-14.0, abs=0.1)


def test_a_repeated_redo_is_the_music_that_was_there(mono_pipeline, dance):
    """With the seed, beats and level of the music the model makes the same again."""
    music = mono_pipeline(dance, genre="HO", grid=GRID, seed=7)
    shift_db = 20.0 * np.log10(0.25)
    quieter = Sound(music.sound.samples * 0.25, music.sound.rate_hz)
    for sound in (music.sound, quieter):
        made = changed(
            mono_pipeline, sound, dance, EditSpec(redo=(4.0, 8.0)), seed=7, lufs=music.model_lufs
        )
        part = slice(5 * RATE_HZ, 7 * RATE_HZ)
        new, old = (np.square(s.samples[part]).mean() for s in (made.sound, sound))
        assert 10.0 * np.log10(new / old) == pytest.approx(0.0, abs=1.0)
    assert integrated_lufs(quieter) - integrated_lufs(music.sound) == pytest.approx(
        shift_db, abs=0.1
    )


@pytest.mark.parametrize("lufs", [-19.0, -14.0])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_gain_to_a_loudness_is_the_difference(lufs, channels):
    time_s = np.arange(4 * RATE_HZ) / RATE_HZ
    tone = (0.1 * np.sin(2 * np.pi * 1000.0 * time_s)).astype(np.float32)
    sound = Sound(tone if channels == 1 else np.stack([tone, tone], axis=1), RATE_HZ)
    levelled = Sound(sound.samples * editing._gain_to(lufs, sound), RATE_HZ)
    assert integrated_lufs(levelled) == pytest.approx(lufs, abs=0.01)


def test_silences_are_cut_to_the_span_and_its_cross_fade():
    silences = tuple(Silence(*span) for span in ((0.0, 1.0), (1.5, 2.5), (3.0, 4.0), (4.5, 9.0)))
    found = editing._silences_within(ControlScore(silences=silences), (2.0, 5.0))
    assert found == [Silence(2.0 - 0.012, 2.5), Silence(3.0, 4.0), Silence(4.5, 5.0)]


def largest_step(samples):
    return float(np.abs(np.diff(samples)).max())


@pytest.mark.parametrize("rate_hz", [22_050, 48_000])
def test_both_joins_of_an_edit_fade_over_12_ms_before_the_join(rate_hz):
    """Constant levels: the weight of the new part is exact, and a missing fade is a step of 1."""
    sound = Sound(np.full(4 * rate_hz, -0.5, np.float32), rate_hz)
    region = Sound(np.full(4 * rate_hz, 0.5, np.float32), rate_hz)
    out = crossfade_into(sound, region, 0.0, (1.0, 2.0)).samples
    fade = round(0.012 * rate_hz)
    start, end = rate_hz, 2 * rate_hz
    ramp = np.arange(fade) / fade
    np.testing.assert_allclose(out[start - fade : start], -0.5 + ramp, atol=1e-3)
    np.testing.assert_allclose(out[end - fade : end], 0.5 - ramp, atol=1e-3)
    np.testing.assert_allclose(out[start : end - fade], 0.5, atol=1e-3)
    assert (out[: start - fade] == -0.5).all()
    assert (out[end:] == -0.5).all()
    assert largest_step(out) < 1.5 / fade


def test_a_continuation_fades_in_and_ends_with_its_own_last_sample():
    rate_hz = 8_000
    sound = Sound(np.full(rate_hz, -0.5, np.float32), rate_hz)
    region = Sound(np.full(2 * rate_hz, 0.5, np.float32), rate_hz)
    out = crossfade_into(sound, region, 0.5, (1.0, 2.0)).samples
    assert len(out) == 2 * rate_hz
    np.testing.assert_allclose(out[rate_hz : 2 * rate_hz - 200], 0.5, atol=1e-3)
    assert largest_step(out[: 2 * rate_hz - 200]) < 1.5 / 96


@pytest.mark.parametrize(
    ("redo", "span"),
    [
        ((3.0, 5.0), (2.5, 6.5)),
        ((4.6, 8.4), (4.5, 8.5)),
        ((4.6, 8.6), (4.5, 9.0)),
        ((5.0, np.inf), (4.5, 9.0)),
        ((0.0, 2.5), (0.0, 2.5)),
        ((2.5, 4.5), (2.5, 4.5)),
    ],
)
def test_what_was_requested_is_inside_what_is_done(dance, redo, span):
    """Bar lines at 0.5, 2.5, 4.5, 6.5 and 8.5 s, music of 9 s."""
    grid = fixed_grid(120.0, 0.5, 12.0)
    found = edit_span(EditSpec(redo=redo), 9.0, dance, grid)
    assert found == pytest.approx(span)
    assert found[0] <= redo[0]
    assert found[1] >= min(redo[1], 9.0)
    exact = edit_span(EditSpec(redo=redo, exact=True), 9.0, dance, grid)
    assert exact == pytest.approx((redo[0], min(redo[1], 9.0)))


def test_edit_span_widens_to_the_next_bar_lines(dance):
    """Random spans of music with random, drifting beats."""
    rng = np.random.default_rng(3)
    for _ in range(300):
        beats_s = rng.uniform(0.0, 0.5) + np.cumsum(rng.uniform(0.3, 0.6, 60))
        grid = grid_of_beats(beats_s, 12.0)
        music_s = rng.uniform(6.0, 12.0)
        start_s, end_s = np.sort(rng.uniform(0.0, music_s, 2))
        end_s = rng.choice([end_s, np.inf])
        first_s, last_s = edit_span(EditSpec(redo=(start_s, end_s)), music_s, dance, grid)
        lines = np.concatenate([[0.0], bar_lines(grid, music_s), [music_s]])
        assert np.abs(lines - first_s).min() < 1e-9
        assert np.abs(lines - last_s).min() < 1e-9
        # A time within a millisecond of a line is on it.
        assert first_s <= start_s + 1e-3
        assert last_s >= min(end_s, music_s) - 1e-3
        assert not ((lines > first_s + 1e-9) & (lines <= start_s)).any()
        assert not ((lines >= min(end_s, music_s)) & (lines < last_s - 1e-9)).any()


def test_a_continuation_is_at_least_as_long_as_requested(dance):
    grid = fixed_grid(120.0, 0.5, 12.0)
    assert edit_span(EditSpec(continue_s=1.0), 7.0, dance, grid) == pytest.approx((6.5, 8.5))
    assert edit_span(EditSpec(continue_s=2.9), 9.0, dance, grid) == pytest.approx((8.5, 12.0))
