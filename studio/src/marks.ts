/** What is marked on the time line but not in a take yet: what an edit adds to the score of the take. Seconds. */

import type { Settings, Span } from "./history";
import { energyAt, painted, round } from "./score";

/** Added to the score of a piece; an accent of strength 0 removes the one that is there. */
export interface Changes { accents: { at_s: number; strength: number }[]; silences: { start_s: number; end_s: number }[]; energy?: number }

const SAME = 1e-3;
// Energy that the API takes.
const LEAST = 0.1, MOST = 3;

const has = (times: number[], time: number) => times.some((other) => Math.abs(other - time) < SAME);
const inside = (span: Span | null, start: number, end: number) => !span || (start >= span.start - SAME && end <= span.end + SAME);

/** Accents and silences, within a stretch or anywhere, that a take made with `before` does not have. */
export function marksToAdd(before: Settings, now: Settings, span: Span | null, length: number): Changes {
  const whole = span ?? { start: 0, end: length };
  const added = now.accents.filter((time) => !has(before.accents, time)).map((time) => ({ at_s: round(time), strength: 1 }));
  const removed = before.accents.filter((time) => !has(now.accents, time)).map((time) => ({ at_s: round(time), strength: 0 }));
  const known = (silence: Span) => before.silences.some(({ start, end }) => Math.abs(start - silence.start) < SAME && Math.abs(end - silence.end) < SAME);
  return {
    accents: [...added, ...removed].filter(({ at_s }) => inside(whole, at_s, at_s)).sort((a, b) => a.at_s - b.at_s),
    silences: now.silences.filter((silence) => !known(silence) && inside(whole, silence.start, silence.end))
      .map(({ start, end }) => ({ start_s: round(start), end_s: round(end) })),
  };
}

/** The same with the energy of the stretch, if that was drawn otherwise since. */
export function changesWithin(before: Settings, now: Settings, span: Span, length: number): Changes {
  const energy = meanEnergy(now, span), changes = marksToAdd(before, now, span, length);
  return energy === meanEnergy(before, span) ? changes : { ...changes, energy };
}

export const isEmpty = ({ accents, silences, energy }: Changes) => !accents.length && !silences.length && energy === undefined;

/** Settings of a take after changes of it. */
export function settingsAfter(before: Settings, now: Settings, { accents, silences, energy }: Changes, span: Span | null): Settings {
  const named = (time: number) => has(accents.map(({ at_s }) => at_s), time);
  const kept = (silence: Span) => silences.every(({ start_s, end_s }) => silence.end <= start_s || silence.start >= end_s);
  return {
    ...before,
    accents: [...before.accents.filter((time) => !named(time)), ...now.accents.filter(named)].sort((a, b) => a - b),
    silences: [...before.silences.filter(kept), ...silences.map(({ start_s, end_s }) => ({ start: start_s, end: end_s }))]
      .sort((a, b) => a.start - b.start),
    curve: energy === undefined || !span ? before.curve : painted(before.curve, span, energy / before.energy),
  };
}

/** Mean over a stretch of the factor on the body's energy. */
function meanEnergy(settings: Settings, { start, end }: Span): number {
  const edges = [...new Set([start, end, ...settings.curve.flatMap((part) => [part.start, part.end])])]
    .filter((time) => time >= start && time <= end).sort((a, b) => a - b);
  let sum = 0;
  edges.slice(0, -1).forEach((from, k) => { sum += energyAt(settings.curve, from) * ((edges[k + 1] ?? end) - from); });
  return round(Math.min(Math.max((settings.energy * sum) / (end - start), LEAST), MOST), 2);
}
