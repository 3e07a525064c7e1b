/** Marks on the time line, and the control score they make: sections, accents, silences. Seconds. */

import type { Effort, Settings, Span } from "./history";

// Sections end with the music; beyond the end of any dance, as --energy has it.
const END = 7200;
// Energy that the API takes.
const LEAST = 0.1, MOST = 3;
// An accent this close to another one is the same.
const SAME_ACCENT = 0.15;

export const round = (value: number, digits = 3) => Number(value.toFixed(digits));

/** Accents with one more, or without the one that stood there. */
export function toggled(accents: number[], time: number): number[] {
  const near = accents.find((other) => Math.abs(other - time) < SAME_ACCENT);
  return near === undefined ? [...accents, time].sort((a, b) => a - b) : accents.filter((other) => other !== near);
}

/** Spans that overlap become one. */
export function joined(spans: Span[]): Span[] {
  const result: Span[] = [];
  for (const span of [...spans].sort((a, b) => a.start - b.start)) {
    const last = result.at(-1);
    if (last && span.start <= last.end) last.end = Math.max(last.end, span.end);
    else result.push({ ...span });
  }
  return result;
}

/** A curve with a stretch of it drawn anew; a factor of 1 leaves the body's energy. */
export function painted(curve: Effort[], span: Span, energy: number): Effort[] {
  const rest = curve.flatMap((part) => [
    { ...part, end: Math.min(part.end, span.start) },
    { ...part, start: Math.max(part.start, span.end) },
  ]).filter((part) => part.end - part.start > 1e-6);
  const drawn = energy === 1 ? rest : [...rest, { ...span, energy }];
  return drawn.sort((a, b) => a.start - b.start);
}

export const energyAt = (curve: Effort[], time: number) =>
  curve.find(({ start, end }) => time >= start - 1e-6 && time < end - 1e-6)?.energy ?? 1;

/** The score of a piece that is `length` long; null if the dance alone decides. */
export function scoreOf(settings: Settings, length: number): Record<string, object[]> | null {
  const sections = sectionsOf(settings, length);
  const accents = settings.accents.filter((time) => time < length).map((time) => ({ at_s: round(time) }));
  const silences = settings.silences.filter(({ start }) => start < length)
    .map(({ start, end }) => ({ start_s: round(start), end_s: round(end) }));
  return sections.length || accents.length || silences.length ? { sections, accents, silences } : null;
}

interface Section { start_s: number; end_s: number; genre?: string; energy: number }

function sectionsOf(settings: Settings, length: number): Section[] {
  const { genre2, curve } = settings, half = round(length / 2);
  const clamp = (time: number) => (time >= length - 1e-3 ? END : round(Math.max(time, 0)));
  const cuts = new Set([0, END, ...(genre2 ? [half] : []), ...curve.flatMap(({ start, end }) => [clamp(start), clamp(end)])]);
  const times = [...cuts].sort((a, b) => a - b), sections: Section[] = [];
  times.slice(0, -1).forEach((start, k) => {
    const factor = settings.energy * energyAt(curve, start);
    const section: Section = { start_s: start, end_s: times[k + 1] ?? END, energy: round(Math.min(Math.max(factor, LEAST), MOST), 2) };
    if (genre2 && start >= half) section.genre = genre2;
    const before = sections.at(-1);
    if (before && before.energy === section.energy && before.genre === section.genre) before.end_s = section.end_s;
    else sections.push(section);
  });
  return sections.filter(({ energy, genre }) => energy !== 1 || genre);
}

/** The score as a TOML file for --score. */
export function scoreToml(score: Record<string, object[]>): string {
  const table = (name: string, row: object) =>
    `[[${name}]]\n${Object.entries(row).map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`).join("")}`;
  return Object.entries(score).flatMap(([name, rows]) => rows.map((row) => table(name, row))).join("");
}
