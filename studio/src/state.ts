/** What the page shows: the dances, the one that is chosen with its takes, and what is set for it. Seconds. */

import type { Inspection } from "./api";
import { beatsOf, firstDownbeat, type Beat, type Grid } from "./beats";
import type { Dance } from "./dances";
import { History, type Effort, type Settings, type Span } from "./history";
import type { Model } from "./request";
import type { Take } from "./takes";

export const state = {
  /** The dances on the page, the groups made of them among these, and the one that is shown. */
  dances: [] as Dance[],
  dance: null as Dance | null,
  history: new History(),
  selection: null as Span | null,
  /** How far the beats are dragged, while they are. */
  shift: 0,
  beats: [] as Beat[],
  /** The energy while it is drawn. */
  draft: null as Effort[] | null,
  /** The model of the server that makes the music, unless the composer does. */
  model: { name: "default", readsHarmony: false } as Model,
};

const watchers: (() => void)[] = [];

/** Call a function after every change. */
export const onChange = (watcher: () => void) => { watchers.push(watcher); };

/** Say that something changed: the beats follow, then whoever watches. */
export function changed(): void {
  const now = grid();
  state.beats = duration() ? beatsOf({ ...now, first: firstDownbeat(now.first + state.shift, now) }, duration()) : [];
  watchers.forEach((watcher) => watcher());
}

/** Set something, as a step that can be undone. */
export function set(part: Partial<Settings>): void {
  if (state.history.set(part)) changed();
}

export function undo(): void { state.history.undo(); changed(); }

export function redo(): void { state.history.redo(); changed(); }

export const inspection = (): Inspection | null => state.dance?.motion.inspection ?? null;
export const duration = () => inspection()?.duration_s ?? 0;
export const take = (): Take | undefined => state.dance?.takes[state.dance.selected];

/** The grid in use: a reading of the dance, with what the user set instead. */
export function grid(): Grid {
  const { reading, bpm, first, metre } = state.history.now;
  const base = inspection()?.readings[reading - 1] ?? inspection() ?? { bpm: 120, bar_start_s: 0, metre: 4 };
  const result: Grid = { bpm: bpm ?? base.bpm, first: 0, metre: metre ?? base.metre };
  result.first = firstDownbeat(first ?? base.bar_start_s, result);
  return result;
}

export const barLength = () => (60 / grid().bpm) * (state.history.now.engine === "composer" ? 4 : grid().metre);

/** Length of the music. */
export function pieceLength(): number {
  const { loopBars } = state.history.now;
  return Math.min(duration(), loopBars ? loopBars * barLength() : Infinity);
}

/** Bars that a stretch touches; what is before the first bar line counts as one. */
export function barsIn(from: number, to: number): Span[] {
  const downbeats = state.beats.filter(({ inBar, time }) => inBar === 1 && time > 1e-3).map(({ time }) => time);
  const lines = [0, ...downbeats, duration()];
  return lines.slice(0, -1).map((start, k) => ({ start, end: lines[k + 1] ?? start }))
    .filter(({ start, end }) => end > Math.min(from, to) && start <= Math.max(from, to));
}
