/** Plays takes in step: all run at once, one is heard, so that switching leaves no gap. Seconds. */

import type { Span } from "./history";

const FADE_S = 0.015;
const LEAD_S = 0.03;
// A region shorter than this would be a buzz.
const LEAST_REGION_S = 0.05;

interface Voice { source: AudioBufferSourceNode; gain: GainNode }

export class Player {
  private context: AudioContext | null = null;
  private buffers: AudioBuffer[] = [];
  /** A click on the beats, heard beside the takes. */
  private click: AudioBuffer | null = null;
  private voices: Voice[] = [];
  private clicks: Voice[] = [];
  private startedAt = 0;
  private offset = 0;
  private selected = 0;
  /** What is played over and over; null plays to the end. */
  private looped: Span | null = null;
  duration = 0;
  playing = false;

  get region(): Span | null {
    const { looped, duration } = this;
    if (!looped) return null;
    const start = Math.max(looped.start, 0), end = Math.min(looped.end, duration);
    return end - start >= LEAST_REGION_S ? { start, end } : null;
  }

  /** The audio clock leads: the position that is heard now. */
  get position(): number {
    if (!this.playing || !this.context) return this.offset;
    const late = this.context.outputLatency || this.context.baseLatency || 0;
    const heard = this.context.currentTime - late - this.startedAt;
    const at = this.offset + Math.max(heard, 0), region = this.region;
    if (region && at >= region.end) return region.start + ((at - region.start) % (region.end - region.start));
    return Math.min(at, this.duration);
  }

  get ended(): boolean {
    return this.playing && !this.region && this.position >= this.duration - 1e-3;
  }

  async decode(data: ArrayBuffer): Promise<AudioBuffer> {
    return this.audio().decodeAudioData(data);
  }

  /** Take other sounds; the position stays. */
  setTakes(buffers: AudioBuffer[], duration: number, selected: number): void {
    this.again(() => {
      this.buffers = buffers;
      this.duration = duration;
      this.selected = selected;
    });
  }

  /** Click at these samples from now on; null for no click. */
  setClick(track: ((rate: number) => Float32Array<ArrayBuffer>) | null): void {
    const rate = this.audio().sampleRate, samples = track?.(rate);
    this.again(() => {
      this.click = samples?.length ? new AudioBuffer({ length: samples.length, sampleRate: rate }) : null;
      if (samples) this.click?.copyToChannel(samples, 0);
    });
  }

  setLoop(region: Span | null): void {
    this.again(() => { this.looped = region; });
  }

  select(index: number): void {
    this.selected = index;
    const now = this.audio().currentTime;
    this.voices.forEach(({ gain }, k) => gain.gain.setTargetAtTime(k === index ? 1 : 0, now, FADE_S / 3));
  }

  play(): void {
    const context = this.audio(), region = this.region;
    void context.resume();
    if (region && (this.offset < region.start || this.offset >= region.end - 1e-3)) this.offset = region.start;
    if (!region && this.offset >= this.duration - 1e-3) this.offset = 0;
    this.startedAt = context.currentTime + LEAD_S;
    this.voices = this.buffers.map((buffer, index) => this.voice(buffer, index === this.selected ? 1 : 0));
    this.clicks = this.click ? [this.voice(this.click, 1)] : [];
    this.playing = true;
  }

  private voice(buffer: AudioBuffer, level: number): Voice {
    const context = this.audio(), { region } = this, source = new AudioBufferSourceNode(context, { buffer });
    if (region && region.start < buffer.duration) {
      Object.assign(source, { loop: true, loopStart: region.start, loopEnd: Math.min(region.end, buffer.duration) });
    }
    const gain = new GainNode(context, { gain: level });
    source.connect(gain).connect(context.destination);
    source.start(this.startedAt, Math.min(this.offset, buffer.duration));
    return { source, gain };
  }

  pause(): void {
    const at = this.position;
    this.halt();
    this.offset = at;
  }

  seek(time: number): void {
    const { playing } = this;
    this.halt();
    this.offset = Math.min(Math.max(time, 0), this.duration);
    if (playing) this.play();
  }

  /** Change something about what is played; it goes on from the same position. */
  private again(change: () => void): void {
    const { playing, position } = this;
    this.halt();
    change();
    this.offset = Math.min(position, this.duration);
    if (playing) this.play();
  }

  private halt(): void {
    [...this.voices, ...this.clicks].forEach(({ source }) => source.stop());
    this.voices = [];
    this.clicks = [];
    this.playing = false;
  }

  private audio(): AudioContext {
    this.context ??= new AudioContext({ latencyHint: "interactive" });
    return this.context;
  }
}
