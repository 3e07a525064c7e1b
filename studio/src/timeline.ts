/** The time line: energy of the body, beats, waveform, marks, selection. Seconds. */

import type { Beat } from "./beats";
import type { Span } from "./history";

export type Tool = "select" | "accent" | "silence" | "beats";

export interface View {
  duration: number; energy: number[]; energyFps: number; beats: Beat[]; peaks: Float32Array | null;
  accents: number[]; silences: Span[]; selection: Span | null; position: number; loop: boolean;
}

export interface Handlers {
  seek(time: number): void;
  select(span: Span | null): void;
  accent(time: number): void;
  silence(span: Span): void;
  shiftBeats(by: number, done: boolean): void;
}

const PAD = 10, BEAT_LANE = 26;
// A drag shorter than this is a click.
const CLICK_S = 0.08;

export class Timeline {
  tool: Tool = "select";
  private drag: { from: number; to: number } | null = null;

  constructor(private readonly canvas: HTMLCanvasElement, private readonly view: () => View, private readonly on: Handlers) {
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      const time = this.timeOf(event);
      this.drag = { from: time, to: time };
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.drag) return;
      this.drag.to = this.timeOf(event);
      if (this.tool === "beats") this.on.shiftBeats(this.drag.to - this.drag.from, false);
    });
    canvas.addEventListener("pointerup", () => this.release());
    canvas.addEventListener("pointercancel", () => { this.drag = null; });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  draw(): void {
    const { canvas } = this, view = this.view();
    const scale = Math.min(window.devicePixelRatio || 1, 2);
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    const pen = canvas.getContext("2d");
    if (!pen) return;
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    if (!view.duration) return;
    const x = (time: number) => PAD + (time / view.duration) * (width - 2 * PAD);
    const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    const middle = BEAT_LANE + (height - BEAT_LANE) / 2;
    this.drawSpans(pen, view, x, height, colour);
    if (view.peaks) this.drawPeaks(pen, view.peaks, x(0), x(view.duration), middle, (height - BEAT_LANE) / 2 - 4, colour("wave"));
    this.drawEnergy(pen, view, x, height - 4, height - BEAT_LANE - 12, colour("energy"));
    for (const beat of view.beats) {
      const bar = beat.inBar === 1;
      pen.fillStyle = colour(bar ? "bar" : "beat");
      pen.globalAlpha = bar ? 0.9 : 0.5;
      pen.fillRect(x(beat.time) - (bar ? 1 : 0.5), bar ? 4 : 12, bar ? 2 : 1, bar ? height - 8 : BEAT_LANE - 12);
      pen.globalAlpha = 1;
      if (bar && beat.bar >= 1) {
        pen.font = "11px system-ui, sans-serif";
        pen.fillText(String(beat.bar), x(beat.time) + 4, 14);
      }
    }
    pen.fillStyle = colour("mark");
    for (const time of view.accents) {
      pen.beginPath();
      pen.moveTo(x(time) - 6, BEAT_LANE); pen.lineTo(x(time) + 6, BEAT_LANE); pen.lineTo(x(time), BEAT_LANE + 11);
      pen.fill();
    }
    pen.fillStyle = colour("head");
    pen.fillRect(x(view.position) - 1, 0, 2, height);
    canvas.setAttribute("aria-valuemax", view.duration.toFixed(1));
    canvas.setAttribute("aria-valuenow", view.position.toFixed(1));
  }

  private drawSpans(pen: CanvasRenderingContext2D, view: View, x: (t: number) => number, height: number, colour: (n: string) => string): void {
    const fill = ({ start, end }: Span, name: string) => {
      pen.fillStyle = colour(name);
      pen.fillRect(x(start), BEAT_LANE, x(end) - x(start), height - BEAT_LANE);
    };
    view.silences.forEach((span) => fill(span, "silence"));
    if (view.selection) fill(view.selection, "select");
    if (this.drag && (this.tool === "select" || this.tool === "silence")) {
      fill(ordered(this.drag.from, this.drag.to), this.tool === "select" ? "select" : "silence");
    }
  }

  private drawPeaks(pen: CanvasRenderingContext2D, peaks: Float32Array, from: number, to: number, middle: number, half: number, colour: string): void {
    pen.fillStyle = colour;
    const step = (to - from) / peaks.length;
    peaks.forEach((peak, k) => pen.fillRect(from + k * step, middle - peak * half, Math.max(step, 1), Math.max(2 * peak * half, 1)));
  }

  private drawEnergy(pen: CanvasRenderingContext2D, view: View, x: (t: number) => number, bottom: number, height: number, colour: string): void {
    const most = Math.max(...view.energy, 1e-6);
    pen.strokeStyle = colour;
    pen.lineWidth = 1.5;
    pen.beginPath();
    view.energy.forEach((value, k) => pen.lineTo(x(Math.min(k / view.energyFps, view.duration)), bottom - (value / most) * height));
    pen.stroke();
  }

  private release(): void {
    if (!this.drag) return;
    const { from, to } = this.drag, span = ordered(from, to);
    this.drag = null;
    const isClick = span.end - span.start < CLICK_S;
    if (this.tool === "beats") this.on.shiftBeats(to - from, true);
    else if (this.tool === "accent") this.on.accent(to);
    else if (this.tool === "silence") { if (!isClick) this.on.silence(span); }
    else if (isClick) { this.on.select(null); this.on.seek(to); }
    else this.on.select(span);
  }

  private key(event: KeyboardEvent): void {
    const { position, duration, selection } = this.view();
    const step = event.shiftKey ? 1 : 0.1;
    const keys: Record<string, () => void> = {
      ArrowLeft: () => this.on.seek(position - step),
      ArrowRight: () => this.on.seek(position + step),
      Home: () => this.on.seek(0),
      End: () => this.on.seek(duration),
      // Without a mouse: [ and ] set the ends of the selection at the position.
      "[": () => this.on.select({ start: position, end: Math.max(selection?.end ?? duration, position + 0.1) }),
      "]": () => this.on.select({ start: Math.min(selection?.start ?? 0, Math.max(position - 0.1, 0)), end: position }),
      a: () => this.on.accent(position),
      s: () => { if (selection) this.on.silence(selection); },
      Escape: () => this.on.select(null),
    };
    const act = keys[event.key];
    if (act && !event.ctrlKey && !event.metaKey) { event.preventDefault(); act(); }
  }

  private timeOf(event: PointerEvent): number {
    const box = this.canvas.getBoundingClientRect();
    const share = (event.clientX - box.left - PAD) / (box.width - 2 * PAD);
    return Math.min(Math.max(share, 0), 1) * this.view().duration;
  }
}

const ordered = (a: number, b: number): Span => ({ start: Math.min(a, b), end: Math.max(a, b) });

/** Loudest sample in each of `count` stretches of a sound, padded to `duration`. */
export function peaksOf(buffer: AudioBuffer, duration: number, count = 1200): Float32Array {
  const samples = buffer.getChannelData(0), peaks = new Float32Array(count);
  const step = (duration * buffer.sampleRate) / count;
  for (let k = 0; k < count; k++) {
    let most = 0;
    for (let i = Math.floor(k * step); i < Math.min((k + 1) * step, samples.length); i++) most = Math.max(most, Math.abs(samples[i] ?? 0));
    peaks[k] = most;
  }
  return peaks;
}
