/** Beat times of a steady grid, and the tempo of taps. Seconds, beats a minute. */

const CLICK_S = 0.04;

export interface Grid { bpm: number; first: number; metre: number }
export interface Beat { time: number; inBar: number; bar: number }

/** Beats from 0 to `duration`; `first` is a downbeat. Beats before it belong to bar 0 and less. */
export function beatsOf(grid: Grid, duration: number): Beat[] {
  const step = 60 / grid.bpm;
  const start = Math.ceil(-grid.first / step - 1e-9);
  const beats: Beat[] = [];
  for (let k = start; grid.first + k * step <= duration + 1e-9; k++) {
    const bar = Math.floor(k / grid.metre);
    beats.push({ time: grid.first + k * step, inBar: k - bar * grid.metre + 1, bar: bar + 1 });
  }
  return beats;
}

/** The earliest downbeat at 0 or later that has the phase of `time`. */
export function firstDownbeat(time: number, grid: Grid): number {
  const bar = (60 / grid.bpm) * grid.metre;
  return ((time % bar) + bar) % bar;
}

/** A click on every beat, higher on the first of a bar; as long as the music. */
export function clickTrack(beats: Beat[], duration: number, rate: number): Float32Array<ArrayBuffer> {
  const samples = new Float32Array(Math.ceil(duration * rate));
  for (const { time, inBar } of beats) {
    const from = Math.round(time * rate), tone = inBar === 1 ? 1600 : 1000;
    for (let k = 0; k < CLICK_S * rate && from + k < samples.length; k++) {
      samples[from + k] = 0.5 * Math.sin((2 * Math.PI * tone * k) / rate) * Math.exp((-8 * k) / (CLICK_S * rate));
    }
  }
  return samples;
}

/** Tempo of taps by least squares over their index; null for fewer than four. */
export function tempoOfTaps(times: number[]): { bpm: number; phase: number } | null {
  const n = times.length;
  if (n < 4) return null;
  const mean = times.reduce((a, b) => a + b, 0) / n;
  const centre = (n - 1) / 2;
  let above = 0, below = 0;
  times.forEach((time, k) => { above += (k - centre) * (time - mean); below += (k - centre) ** 2; });
  const step = above / below;
  return step > 0 ? { bpm: 60 / step, phase: mean - centre * step } : null;
}
