"""Onsets, beats, loudness and timbre of one sound, computed once for all metrics.

Conventions: sounds are brought to mono 22,050 Hz as ``librosa.load`` does (mean of the channels,
soxr), so that published scripts get the same samples bit for bit. Times in seconds; L mel frames of
hop 512. Onset settings are those of the published scripts: D2M-GAN (Zhu et al. 2022; also Tan et
al. 2023) and LORIS (Yu et al. 2023). Beats are those of ``librosa.beat.beat_track``. ``onsets_s``
and ``beats_s`` have the detector's latency taken off (:mod:`kinetune.metrics.latency`); what is
named after a publication has not.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.audio.beats import compile_librosa
from kinetune.audio.sound import Sound
from kinetune.errors import AudioError
from kinetune.metrics.latency import BEAT_LATENCY_S, ONSET_LATENCY_S, without_latency
from kinetune.metrics.sanity import RecordingQuality, analyse_recording

Array = NDArray[np.float64]
# Options of librosa.onset.onset_detect in the published scripts.
PUBLISHED_ONSETS = {"wait": 1, "delta": 0.2, "pre_avg": 1, "post_avg": 1, "post_max": 1}
LORIS_ONSETS = {**dict.fromkeys(("pre_avg", "post_avg", "pre_max", "post_max"), 3),
                "wait": 1, "delta": 0.2}  # fmt: skip
_FRAMING = {"sr": timebase.SAMPLE_RATE_HZ, "hop_length": timebase.HOP_LENGTH}
# Cepstral coefficients; the first, the level, is left out.
_MFCCS = 20
# Floor of the power, relative to a full-scale square wave.
_FLOOR_POWER = 1e-12
# librosa's window; shorter sounds are padded with silence.
_WINDOW = 2048
# A beat tracker needs at least this much.
MIN_DURATION_S = 0.5
# Fewer beats than this give no tempo.
_MIN_TEMPO_BEATS = 3


@dataclass(frozen=True, eq=False)
class AudioAnalysis:
    """Onsets, beats, loudness and timbre of a sound.

    Attributes:
        duration_s: Its length.
        onsets_s: Onsets with librosa's default settings, latency taken off, (K,).
        onsets_published_s: Onsets with the settings of D2M-GAN, (K,).
        onsets_loris_s: Onsets with the settings of LORIS, (K,).
        beats_s: librosa's beats, latency taken off, (K,).
        beat_frames_published: Mel frames of the beats in the paper's script, which aggregates the
            onset strength by the mean, (K,).
        strength: Onset strength, (L,).
        power: Mean square of each hop's samples, (L,).
        timbre: Means and deviations over time of the cepstrum, (38,); independent of level and of
            time shifts.
        sanity: Loudness, clipping, silence.
    """

    duration_s: float
    onsets_s: Array
    onsets_published_s: Array
    onsets_loris_s: Array
    beats_s: Array
    beat_frames_published: NDArray[np.int64]
    strength: Array
    power: Array
    timbre: Array
    sanity: RecordingQuality

    @property
    def tempo_bpm(self) -> float:
        """Beats per minute of a line through the beats; 0 for fewer than three beats."""
        return estimate_tempo(self.beats_s)


def estimate_tempo(beats_s: Array) -> float:
    """Return beats per minute of a line through beat times (K,) in seconds; 0 for fewer than 3.

    librosa's beats stand on a grid of 23 ms; a line through all of them is finer than any interval.
    """
    if len(beats_s) < _MIN_TEMPO_BEATS:
        return 0.0
    return timebase.bpm_of(float(np.polyfit(np.arange(len(beats_s)), beats_s, 1)[0]))


def analyse_audio(sound: Sound) -> AudioAnalysis:
    """Return the analysis of a sound of half a second or more.

    Raises:
        AudioError: It is shorter.
    """
    compile_librosa()
    from librosa import power_to_db
    from librosa.feature import melspectrogram, mfcc
    from librosa.onset import onset_strength

    if sound.duration_s < MIN_DURATION_S:
        raise AudioError(
            f"expected {MIN_DURATION_S:g} s of sound or more, found {sound.duration_s:.3f} s"
        )
    mono = librosa_samples(sound)
    log_mel = power_to_db(melspectrogram(y=mono, **_FRAMING))
    strength = onset_strength(S=log_mel, **_FRAMING)
    # librosa.beat.beat_track aggregates by the median, the paper's script by the mean.
    median_strength = onset_strength(S=log_mel, aggregate=np.median, **_FRAMING)
    cepstrum = mfcc(S=log_mel, n_mfcc=_MFCCS)[1:]
    return AudioAnalysis(
        duration_s=sound.duration_s,
        onsets_s=without_latency(_onsets_s(strength, {}), ONSET_LATENCY_S),
        onsets_published_s=_onsets_s(strength, PUBLISHED_ONSETS),
        onsets_loris_s=_onsets_s(strength, LORIS_ONSETS),
        beats_s=without_latency(_beats(median_strength, units="time"), BEAT_LATENCY_S),
        beat_frames_published=_beats(strength, units="frames").astype(np.int64),
        strength=strength.astype(np.float64),
        power=_hop_power(mono),
        timbre=np.concatenate([cepstrum.mean(axis=1), cepstrum.std(axis=1)]).astype(np.float64),
        sanity=analyse_recording(sound),
    )


def _onsets_s(strength: NDArray, settings: dict[str, float]) -> Array:
    from librosa.onset import onset_detect

    times = onset_detect(onset_envelope=strength, units="time", **_FRAMING, **settings)
    return np.asarray(times, dtype=np.float64)


def _beats(strength: NDArray, *, units: str) -> Array:
    from librosa.beat import beat_track

    return np.asarray(beat_track(onset_envelope=strength, units=units, **_FRAMING)[1], np.float64)


def librosa_samples(sound: Sound) -> NDArray[np.float32]:
    """Return mono samples at 22,050 Hz as ``librosa.load`` gives them, at least a window long."""
    from librosa import resample

    mono = np.ascontiguousarray(sound.mono)
    if sound.rate_hz != timebase.SAMPLE_RATE_HZ:
        mono = resample(mono, orig_sr=sound.rate_hz, target_sr=timebase.SAMPLE_RATE_HZ)
    return np.pad(mono, (0, max(0, _WINDOW - len(mono))))


def _hop_power(mono: NDArray[np.float32]) -> Array:
    """Mean square of every hop, the last one padded with silence: (N,) -> (L,)."""
    hop = timebase.HOP_LENGTH
    padded = np.pad(mono.astype(np.float64), (0, -len(mono) % hop))
    return np.maximum((padded.reshape(-1, hop) ** 2).mean(axis=1), _FLOOR_POWER)


def crop_analysis(analysis: AudioAnalysis, duration_s: float) -> AudioAnalysis:
    """Return the analysis of the first ``duration_s`` seconds; beyond the sound's end, silence."""
    frames = timebase.mel_frames_in(timebase.samples_in(duration_s, timebase.SAMPLE_RATE_HZ))
    end = timebase.frames_in(duration_s, timebase.mel_rate_hz())
    times = {
        name: getattr(analysis, name)
        for name in ("onsets_s", "onsets_published_s", "onsets_loris_s", "beats_s")
    }
    return replace(
        analysis,
        duration_s=duration_s,
        **{name: values[values < duration_s] for name, values in times.items()},
        beat_frames_published=analysis.beat_frames_published[analysis.beat_frames_published < end],
        strength=_pad_or_crop(analysis.strength, frames, 0.0),
        power=_pad_or_crop(analysis.power, frames, _FLOOR_POWER),
    )


def _pad_or_crop(values: Array, count: int, fill: float) -> Array:
    return np.pad(values[:count], (0, max(0, count - len(values))), constant_values=fill)
