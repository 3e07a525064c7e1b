/** Plays takes in step: all run at once, one is heard, so that switching leaves no gap. Seconds. */

const FADE_S = 0.015;
const LEAD_S = 0.03;

interface Voice { source: AudioBufferSourceNode; gain: GainNode }

export class Player {
  private context: AudioContext | null = null;
  private buffers: AudioBuffer[] = [];
  private voices: Voice[] = [];
  private startedAt = 0;
  private offset = 0;
  private selected = 0;
  duration = 0;
  playing = false;
  loop = false;

  /** The audio clock leads: the position that is heard now. */
  get position(): number {
    if (!this.playing || !this.context) return this.offset;
    const late = this.context.outputLatency || this.context.baseLatency || 0;
    const heard = this.context.currentTime - late - this.startedAt;
    const at = this.offset + Math.max(heard, 0);
    if (this.loop && this.duration) return at % this.duration;
    return Math.min(at, this.duration);
  }

  get ended(): boolean {
    return this.playing && !this.loop && this.position >= this.duration - 1e-3;
  }

  async decode(data: ArrayBuffer): Promise<AudioBuffer> {
    return this.audio().decodeAudioData(data);
  }

  /** Take other sounds; the position stays. */
  setTakes(buffers: AudioBuffer[], duration: number, selected: number): void {
    const { playing, position } = this;
    this.halt();
    this.buffers = buffers;
    this.duration = duration;
    this.selected = selected;
    this.offset = Math.min(position, duration);
    if (playing) this.play();
  }

  select(index: number): void {
    this.selected = index;
    const now = this.audio().currentTime;
    this.voices.forEach(({ gain }, k) => gain.gain.setTargetAtTime(k === index ? 1 : 0, now, FADE_S / 3));
  }

  play(): void {
    const context = this.audio();
    void context.resume();
    if (this.offset >= this.duration - 1e-3) this.offset = 0;
    this.startedAt = context.currentTime + LEAD_S;
    this.voices = this.buffers.map((buffer, index) => {
      const source = new AudioBufferSourceNode(context, { buffer, loop: this.loop });
      const gain = new GainNode(context, { gain: index === this.selected ? 1 : 0 });
      source.connect(gain).connect(context.destination);
      source.start(this.startedAt, Math.min(this.offset, buffer.duration));
      return { source, gain };
    });
    this.playing = true;
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

  private halt(): void {
    this.voices.forEach(({ source }) => source.stop());
    this.voices = [];
    this.playing = false;
  }

  private audio(): AudioContext {
    this.context ??= new AudioContext({ latencyHint: "interactive" });
    return this.context;
  }
}
