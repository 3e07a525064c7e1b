/** The time line of the dance that is shown: the selection, marks, drawn energy, the beats. Seconds. */

import { firstDownbeat } from "./beats";
import { get, isPressed, press } from "./dom";
import type { Span } from "./history";
import { toggleClick } from "./metronome";
import { on, player } from "./page";
import { energyAt, joined, painted, toggled } from "./score";
import { barsIn, changed, duration, grid, inspection, onChange, pieceLength, set, state, take } from "./state";
import { Timeline, type Tool } from "./timeline";

const timeline = new Timeline(
  get<HTMLCanvasElement>("line"), get("head"),
  () => {
    const { dance, history: { now }, draft, beats, selection } = state;
    return {
      duration: duration(), energy: dance?.skeleton.mean_joint_speed_m_s ?? [], energyFps: dance?.skeleton.fps ?? 30,
      events: inspection()?.motion_beats_s ?? [], beats, peaks: take()?.peaks ?? null,
      accents: now.accents, silences: now.silences, curve: draft ?? now.curve,
      sections: sections(), selection, position: player.position, loop: player.region,
    };
  },
  {
    seek: (time) => player.seek(time),
    select,
    accent: (time) => set({ accents: toggled(state.history.now.accents, time) }),
    silence: (span) => set({ silences: joined([...state.history.now.silences, span]) }),
    energy: drawEnergy,
    scaleEnergy,
    shiftBeats,
    loop: toggleLoop,
    click: toggleClick,
  },
);

export const drawTimeline = () => timeline.draw();
export const touchTimeline = () => timeline.touch();

function select(span: Span | null): void {
  state.selection = span;
  updateLoop();
  changed();
}

function drawEnergy(from: number, to: number, factor: number, done: boolean): void {
  const { now } = state.history;
  const curve = barsIn(from, to).reduce((drawn, bar) => painted(drawn, bar, factor), state.draft ?? now.curve);
  state.draft = done ? null : curve;
  timeline.touch();
  if (done) set({ curve });
}

/** Make the selection, or the bar at the position, so many times as energetic. */
function scaleEnergy(factor: number): void {
  const { curve } = state.history.now, span = state.selection ?? barsIn(player.position, player.position)[0];
  if (span) set({ curve: painted(curve, span, Number((energyAt(curve, span.start) * factor).toFixed(2))) });
}

function shiftBeats(by: number, done: boolean): void {
  state.shift = done ? 0 : by;
  if (done) set({ first: firstDownbeat(grid().first + by, grid()) });
  else changed();
}

/** What the time line names: the genres of the two halves, or the form of a composed take. */
function sections(): (Span & { label: string })[] {
  const { genre, genre2 } = state.history.now, length = pieceLength();
  if (genre2) {
    const lines = barsIn(0, length).map(({ start }) => start);
    const half = lines.reduce((best, line) => (Math.abs(line - length / 2) < Math.abs(best - length / 2) ? line : best), 0);
    return [{ start: 0, end: half, label: genre || "automatic" }, { start: half, end: length, label: genre2 }];
  }
  const form = take()?.form ?? [];
  return form.length < 2 ? [] : form.map(([start, label], k) => ({ start, end: form[k + 1]?.[0] ?? length, label }));
}

/** A loop plays over and over, and so does the selection if that is wanted. */
export function updateLoop(): void {
  const whole = take()?.loops ? { start: 0, end: player.duration } : null;
  const wanted = isPressed("loop-region") ? (state.selection ?? { start: 0, end: player.duration }) : null;
  const region = wanted ?? whole;
  if (JSON.stringify(region) !== JSON.stringify(player.region)) player.setLoop(region);
}

function toggleLoop(): void {
  press("loop-region", !isPressed("loop-region"));
  updateLoop();
}

function clearMarks(): void {
  select(null);
  set({ accents: [], silences: [], curve: [] });
}

export function connectEditor(): void {
  on("loop-region", "click", toggleLoop);
  on("clear", "click", clearMarks);
  document.querySelectorAll<HTMLInputElement>("input[name=tool]").forEach((control) =>
    control.addEventListener("change", () => { timeline.tool = control.value as Tool; timeline.touch(); }),
  );
  onChange(touchTimeline);
}
