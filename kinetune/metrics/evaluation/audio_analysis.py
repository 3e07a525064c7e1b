"""What is heard in one sound, gathered once for all metrics.

Conventions: sounds are brought to mono 22,050 Hz as ``librosa.load`` brings them (mean of the
channels, soxr), so that what the published scripts would hear is heard here bit for bit. Times in
seconds; L mel frames of hop 512. Onset settings are those of the published scripts: D2M-GAN
(Zhu et al. 2022; also Tan et al. 2023) and LORIS (Yu et al. 2023). Beats are librosa's.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.audio.sound import Sound
from kinetune.errors import AudioError
from kinetune.metrics.sanity import RecordingQuality, analyse_recording

Array = NDArray[np.float64]
# librosa.onset.onset_detect as the published scripts call it.
PUBLISHED_ONSETS = {"wait": 1, "delta": 0.2, "pre_avg": 1, "post_avg": 1, "post_max": 1}
LORIS_ONSETS = {**dict.fromkeys(("pre_avg", "post_avg", "pre_max", "post_max"), 3),
                "wait": 1, "delta": 0.2}  # fmt: skip
# Cepstrum kept for the distance between sounds; its first coefficient, the level, is left out.
_MFCCS = 20
# Quieter than this counts as nothing, of a full-scale square wave.
_FLOOR_POWER = 1e-12
# librosa's window; shorter sounds are followed by silence.
_WINDOW = 2048
# Shorter than this there is no beat to hear.
MIN_DURATION_S = 0.5


@dataclass(frozen=True, eq=False)
class AudioAnalysis:
    """What is heard in a sound.

    Attributes:
        duration_s: Its length.
        onsets_s: Onsets with librosa's own settings.
        onsets_published_s: Onsets with the settings of D2M-GAN.
        onsets_loris_s: Onsets with the settings of LORIS.
        beats_s: librosa's beats.
        beats_published: Mel frames of the beats the paper's script hears (another aggregate).
        strength: Onset strength, (L,).
        power: Mean square of each hop's samples, (L,).
        timbre: Means and spreads of the cepstrum, (38,); free of level and of time shifts.
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
        """Beats a minute of a line through the beats; 0 where fewer than three are heard."""
        return estimate_tempo(self.beats_s)


def estimate_tempo(beats_s: Array) -> float:
    """Return beats a minute of a line through beat times (K,) in seconds; 0 for fewer than 3.

    librosa's beats stand on a grid of 23 ms: a line through all of them is finer than any step.
    """
    if len(beats_s) < 3:
        return 0.0
    return timebase.bpm_of(float(np.polyfit(np.arange(len(beats_s)), beats_s, 1)[0]))


def analyse_audio(sound: Sound) -> AudioAnalysis:
    """Return what is heard in a sound of half a second or more.

    Raises:
        AudioError: It is shorter.
    """
    from librosa import power_to_db
    from librosa.beat import beat_track
    from librosa.feature import melspectrogram, mfcc
    from librosa.onset import onset_detect, onset_strength

    if sound.duration_s < MIN_DURATION_S:
        raise AudioError(
            f"expected {MIN_DURATION_S:g} s of sound or more, found {sound.duration_s:.3f} s"
        )
    mono = librosa_samples(sound)
    rate_hz, hop = timebase.SAMPLE_RATE_HZ, timebase.HOP_LENGTH
    log_mel = power_to_db(melspectrogram(y=mono, sr=rate_hz, hop_length=hop))
    strength = onset_strength(S=log_mel, sr=rate_hz, hop_length=hop)
    how = {"sr": rate_hz, "hop_length": hop}
    onsets = [
        onset_detect(onset_envelope=strength, units="time", **how, **settings)
        for settings in ({}, PUBLISHED_ONSETS, LORIS_ONSETS)
    ]
    middle = onset_strength(S=log_mel, sr=rate_hz, hop_length=hop, aggregate=np.median)
    beats_s = beat_track(onset_envelope=middle, units="time", **how)[1]
    published = beat_track(onset_envelope=strength, units="frames", **how)[1]
    cepstrum = mfcc(S=log_mel, n_mfcc=_MFCCS)[1:]
    return AudioAnalysis(
        duration_s=sound.duration_s,
        onsets_s=np.asarray(onsets[0], dtype=np.float64),
        onsets_published_s=np.asarray(onsets[1], dtype=np.float64),
        onsets_loris_s=np.asarray(onsets[2], dtype=np.float64),
        beats_s=np.asarray(beats_s, dtype=np.float64),
        beat_frames_published=np.asarray(published, dtype=np.int64),
        strength=strength.astype(np.float64),
        power=_power(mono),
        timbre=np.concatenate([cepstrum.mean(axis=1), cepstrum.std(axis=1)]).astype(np.float64),
        sanity=analyse_recording(sound),
    )


def librosa_samples(sound: Sound) -> NDArray[np.float32]:
    """Return mono samples at 22,050 Hz as ``librosa.load`` gives them, at least a window long."""
    from librosa import resample

    mono = np.ascontiguousarray(sound.mono)
    if sound.rate_hz != timebase.SAMPLE_RATE_HZ:
        mono = resample(mono, orig_sr=sound.rate_hz, target_sr=timebase.SAMPLE_RATE_HZ)
    return np.pad(mono, (0, max(0, _WINDOW - len(mono))))


def _power(mono: NDArray[np.float32]) -> Array:
    """Mean square of every hop, the last one filled up with silence: (N,) -> (L,)."""
    hop = timebase.HOP_LENGTH
    filled = np.pad(mono.astype(np.float64), (0, -len(mono) % hop))
    return np.maximum((filled.reshape(-1, hop) ** 2).mean(axis=1), _FLOOR_POWER)


def crop_analysis(heard: AudioAnalysis, duration_s: float) -> AudioAnalysis:
    """Return what is heard of a sound's first ``duration_s`` seconds; beyond its end, silence."""
    frames = timebase.mel_frames_in(timebase.samples_in(duration_s, timebase.SAMPLE_RATE_HZ))
    end = timebase.frames_in(duration_s, timebase.mel_rate_hz())
    times = ("onsets_s", "onsets_published_s", "onsets_loris_s", "beats_s")
    kept = {name: getattr(heard, name)[getattr(heard, name) < duration_s] for name in times}
    return replace(
        heard, duration_s=duration_s, **kept,
        beat_frames_published=heard.beat_frames_published[heard.beat_frames_published < end],
        strength=_pad_or_crop(heard.strength, frames, 0.0),
        power=_pad_or_crop(heard.power, frames, _FLOOR_POWER),
    )  # fmt: skip


def _pad_or_crop(values: Array, count: int, fill: float) -> Array:
    return np.pad(values[:count], (0, max(0, count - len(values))), constant_values=fill)
