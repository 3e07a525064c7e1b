/** The time line: energy of the body, beats, waveform, marks, selection. Seconds. */

import type { Beat } from "./beats";
import type { Effort, Span } from "./history";
import { energyAt } from "./score";

export type Tool = "select" | "accent" | "silence" | "energy" | "beats";

export interface View {
  duration: number; energy: number[]; energyFps: number; events: number[]; beats: Beat[]; peaks: Float32Array | null;
  accents: number[]; silences: Span[]; curve: Effort[]; sections: (Span & { label: string })[];
  selection: Span | null; position: number; loop: Span | null;
}

export interface Handlers {
  seek(time: number): void;
  select(span: Span | null): void;
  accent(time: number): void;
  silence(span: Span): void;
  /** Draw the energy between two times; the last call of a drag is `done`. */
  energy(from: number, to: number, factor: number, done: boolean): void;
  /** Make the selection, or the bar at the position, so many times as energetic. */
  scaleEnergy(factor: number): void;
  shiftBeats(by: number, done: boolean): void;
  loop(): void;
  click(): void;
}

const PAD = 10, BEAT_LANE = 26, SECTION_LANE = 16;
// A drag shorter than this is a click.
const CLICK_S = 0.08;
// Drawn energy at the top; the middle is that of the body, the bottom the inverse. A factor this near to 1 is 1.
const MOST_ENERGY = 2.5, NEAR_ONE = 0.06;

type X = (time: number) => number;
type Pen = CanvasRenderingContext2D;
type Colour = (name: string) => string;

export class Timeline {
  tool: Tool = "select";
  private drag: { from: number; to: number } | null = null;
  private drawn = "";

  constructor(
    private readonly canvas: HTMLCanvasElement, private readonly head: HTMLElement, private readonly view: () => View, private readonly on: Handlers,
  ) {
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      const time = this.timeOf(event);
      this.drag = { from: time, to: time };
      this.touch();
      if (this.tool === "energy") this.on.energy(time, time, this.energyOf(event), false);
    });
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.release(event));
    canvas.addEventListener("pointercancel", () => { this.drag = null; this.touch(); });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  /** Draw it anew with the next frame: something has changed. */
  touch(): void { this.drawn = ""; }

  draw(): void {
    const { canvas } = this, view = this.view();
    const scale = Math.min(window.devicePixelRatio || 1, 2);
    const width = canvas.clientWidth, height = canvas.clientHeight;
    const x: X = (time) => PAD + (time / view.duration) * (width - 2 * PAD);
    this.moveHead(view, x);
    // Nothing is drawn twice: while it plays only the head moves.
    const state = `${view.loop?.start} ${view.loop?.end} ${width} ${height} ${scale}`;
    if (state === this.drawn) return;
    this.drawn = state;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    const pen = canvas.getContext("2d");
    if (!pen) return;
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = "11px system-ui, sans-serif";
    if (!view.duration) return;
    const style = getComputedStyle(document.documentElement);
    const colour: Colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const bottom = height - SECTION_LANE, middle = (BEAT_LANE + bottom) / 2, half = (bottom - BEAT_LANE) / 2;
    this.drawSpans(pen, view, x, bottom, colour);
    if (view.peaks) drawPeaks(pen, view.peaks, x(0), x(view.duration), middle, half - 2, colour("wave"));
    drawBody(pen, view, x, bottom - 2, 2 * half - 6, colour);
    drawBeats(pen, view.beats, x, bottom, colour);
    drawAccents(pen, view.accents, x, colour("mark"));
    if (view.curve.length || this.tool === "energy") drawCurve(pen, view, x, middle, half, colour);
    drawSections(pen, view, x, bottom, height, colour);
    if (view.loop) drawLoop(pen, view.loop, x, colour("accent"));
  }

  /** Show the position, on the screen and for a screen reader. */
  private moveHead(view: View, x: X): void {
    const { duration, position } = view, place = duration ? `translateX(${x(position).toFixed(1)}px)` : "";
    if (this.head.style.transform !== place) this.head.style.transform = place;
    this.head.hidden = !duration;
    this.describe(view);
  }

  /** What a screen reader says of the position. */
  private describe({ duration, position, beats }: View): void {
    const beat = beats.findLast(({ time }) => time <= position + 1e-3);
    const where = beat && beat.bar >= 1 ? `, bar ${beat.bar}, beat ${beat.inBar}` : "";
    const texts = { "aria-valuemax": duration.toFixed(1), "aria-valuenow": position.toFixed(1), "aria-valuetext": `${position.toFixed(1)} s${where}` };
    Object.entries(texts).forEach(([name, text]) => {
      if (this.canvas.getAttribute(name) !== text) this.canvas.setAttribute(name, text);
    });
  }

  private drawSpans(pen: Pen, view: View, x: X, bottom: number, colour: Colour): void {
    const fill = ({ start, end }: Span, name: string) => {
      pen.fillStyle = colour(name);
      pen.fillRect(x(start), BEAT_LANE, x(end) - x(start), bottom - BEAT_LANE);
    };
    view.silences.forEach((span) => fill(span, "silence"));
    if (view.selection) fill(view.selection, "select");
    if (this.drag && (this.tool === "select" || this.tool === "silence")) {
      fill(ordered(this.drag.from, this.drag.to), this.tool === "select" ? "select" : "silence");
    }
  }

  private move(event: PointerEvent): void {
    if (!this.drag) return;
    const before = this.drag.to;
    this.drag.to = this.timeOf(event);
    this.touch();
    if (this.tool === "beats") this.on.shiftBeats(this.drag.to - this.drag.from, false);
    if (this.tool === "energy") this.on.energy(before, this.drag.to, this.energyOf(event), false);
  }

  private release(event: PointerEvent): void {
    if (!this.drag) return;
    const { from, to } = this.drag, span = ordered(from, to);
    this.drag = null;
    this.touch();
    const isClick = span.end - span.start < CLICK_S;
    if (this.tool === "beats") this.on.shiftBeats(to - from, true);
    else if (this.tool === "energy") this.on.energy(to, to, this.energyOf(event), true);
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
      "+": () => this.on.scaleEnergy(1.25),
      "-": () => this.on.scaleEnergy(0.8),
      l: () => this.on.loop(),
      c: () => this.on.click(),
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

  private energyOf(event: PointerEvent): number {
    const box = this.canvas.getBoundingClientRect();
    const share = (event.clientY - box.top - BEAT_LANE) / (box.height - SECTION_LANE - BEAT_LANE);
    const factor = MOST_ENERGY ** (1 - 2 * Math.min(Math.max(share, 0), 1));
    return Math.abs(factor - 1) < NEAR_ONE ? 1 : Number(factor.toFixed(2));
  }
}

const ordered = (a: number, b: number): Span => ({ start: Math.min(a, b), end: Math.max(a, b) });

function drawPeaks(pen: Pen, peaks: Float32Array, from: number, to: number, middle: number, half: number, colour: string): void {
  pen.fillStyle = colour;
  const step = (to - from) / peaks.length;
  peaks.forEach((peak, k) => pen.fillRect(from + k * step, middle - peak * half, Math.max(step, 1), Math.max(2 * peak * half, 1)));
}

/** Draw the path with an edge of the background, so that it is seen on the waveform too. */
function strokeOutlined(pen: Pen, width: number, colour: string, edge: string): void {
  for (const [lineWidth, strokeStyle] of [[width + 3, edge], [width, colour]] as const) {
    Object.assign(pen, { lineWidth, strokeStyle });
    pen.stroke();
  }
}

/** The body: its energy as a line, and its events as ticks below the beats. */
function drawBody(pen: Pen, view: View, x: X, bottom: number, height: number, colour: Colour): void {
  const most = Math.max(...view.energy, 1e-6);
  pen.beginPath();
  view.energy.forEach((value, k) => pen.lineTo(x(Math.min(k / view.energyFps, view.duration)), bottom - (value / most) * height));
  strokeOutlined(pen, 1.5, colour("energy"), colour("panel"));
  pen.fillStyle = colour("energy");
  view.events.forEach((time) => pen.fillRect(x(time) - 1, BEAT_LANE - 5, 2, 5));
}

function drawBeats(pen: Pen, beats: Beat[], x: X, bottom: number, colour: Colour): void {
  let free = -Infinity;
  for (const beat of beats) {
    const bar = beat.inBar === 1, at = x(beat.time);
    pen.fillStyle = colour(bar ? "bar" : "beat");
    pen.fillRect(at - (bar ? 1 : 0.5), bar ? 4 : 12, bar ? 2 : 1, bar ? bottom - 4 : BEAT_LANE - 17);
    // On a narrow screen not every number has room.
    if (bar && beat.bar >= 1 && at > free) {
      pen.fillText(String(beat.bar), at + 4, 14);
      free = at + 22;
    }
  }
}

function drawAccents(pen: Pen, accents: number[], x: X, colour: string): void {
  pen.fillStyle = colour;
  for (const time of accents) {
    pen.beginPath();
    pen.moveTo(x(time) - 6, BEAT_LANE); pen.lineTo(x(time) + 6, BEAT_LANE); pen.lineTo(x(time), BEAT_LANE + 11);
    pen.fill();
  }
}

/** The drawn factor on the body's energy, in steps; the middle is 1. */
function drawCurve(pen: Pen, view: View, x: X, middle: number, half: number, colour: Colour): void {
  const y = (factor: number) => middle - (Math.log(factor) / Math.log(MOST_ENERGY)) * half;
  const edges = [...new Set([0, view.duration, ...view.curve.flatMap(({ start, end }) => [start, end])])].sort((a, b) => a - b);
  pen.beginPath();
  edges.slice(0, -1).forEach((start, k) => {
    const level = y(energyAt(view.curve, start));
    pen.lineTo(x(start), level);
    pen.lineTo(x(edges[k + 1] ?? view.duration), level);
  });
  strokeOutlined(pen, 2, colour("curve"), colour("panel"));
  pen.fillStyle = colour("curve");
  view.curve.forEach(({ start, energy }) => pen.fillText(`×${energy}`, x(start) + 3, Math.max(y(energy) - 4, BEAT_LANE + 10)));
}

function drawSections(pen: Pen, view: View, x: X, bottom: number, height: number, colour: Colour): void {
  view.sections.forEach(({ start, end, label }, k) => {
    pen.fillStyle = colour(k % 2 ? "select" : "silence");
    pen.fillRect(x(start), bottom + 1, x(end) - x(start) - 1, height - bottom - 1);
    pen.fillStyle = colour("text");
    pen.fillText(label, x(start) + 4, height - 4);
  });
}

function drawLoop(pen: Pen, { start, end }: Span, x: X, colour: string): void {
  pen.fillStyle = colour;
  pen.fillRect(x(start), 0, x(end) - x(start), 3);
  for (const edge of [x(start), x(end) - 2]) pen.fillRect(edge, 0, 2, 10);
}

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
