/** Settings as a job for the API, and as the command line that does the same. */

import type { Settings } from "./history";

export interface Make { seed: number; takes: number; format: string; loop: boolean }

const round = (value: number, digits = 3) => Number(value.toFixed(digits));

export function musicOptions(settings: Settings, make: Make, duration: number): Record<string, unknown> {
  const beats: Record<string, unknown> = { reading: settings.reading };
  if (settings.bpm !== null) beats.bpm = settings.bpm;
  if (settings.first !== null) beats.first_beat_s = round(settings.first);
  if (settings.metre !== null) beats.metre = settings.metre;
  const options: Record<string, unknown> = { seed: make.seed, beats, loop: make.loop };
  if (settings.genre) options.genre = settings.genre;
  const sections = sectionsOf(settings, duration);
  if (sections.length || settings.accents.length || settings.silences.length) {
    options.score = {
      sections,
      accents: settings.accents.map((time) => ({ at_s: round(time) })),
      silences: settings.silences.map(({ start, end }) => ({ start_s: round(start), end_s: round(end) })),
    };
  }
  return options;
}

function sectionsOf(settings: Settings, duration: number): object[] {
  const { energy, genre2 } = settings;
  const half = round(duration / 2), end = round(Math.floor(duration * 1000) / 1000);
  if (genre2) {
    return [
      ...(energy !== 1 ? [{ start_s: 0, end_s: half, energy }] : []),
      { start_s: half, end_s: end, genre: genre2, energy },
    ];
  }
  return energy !== 1 ? [{ start_s: 0, end_s: end, energy }] : [];
}

export function generateJob(motion: string, settings: Settings, make: Make, duration: number): object {
  return {
    task: "generate", motion, options: musicOptions(settings, make, duration), variations: make.takes,
    format: make.format, beat_maps: ["json", "csv", "midi"],
  };
}

const quote = (word: string) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** The command that makes the same music; settings that have no option stand in a score file. */
export function commandLine(motion: string, settings: Settings, make: Make, duration: number): string {
  const words = ["kinetune", "generate", motion];
  const add = (...more: (string | number)[]) => words.push(...more.map(String));
  if (settings.genre) add("--genre", settings.genre);
  if (settings.bpm !== null) add("--bpm", settings.bpm);
  if (settings.reading !== 1) add("--reading", settings.reading);
  if (settings.first !== null) add("--first-beat", round(settings.first));
  if (settings.metre !== null) add("--metre", settings.metre);
  if (make.seed) add("--seed", make.seed);
  if (make.takes > 1) add("--variations", make.takes);
  if (make.loop) add("--loop");
  if (make.format !== "wav") add("--format", make.format);
  if (settings.genre2) {
    add("--score", "score.toml");
    return `cat > score.toml <<'END'\n${scoreToml(settings, duration)}END\n${words.map(quote).join(" ")}`;
  }
  if (settings.energy !== 1) add("--energy", settings.energy);
  settings.accents.forEach((time) => add("--accent", round(time)));
  settings.silences.forEach(({ start, end }) => add("--silence", `${round(start)}:${round(end)}`));
  return words.map(quote).join(" ");
}

function scoreToml(settings: Settings, duration: number): string {
  const table = (name: string, row: object) =>
    `[[${name}]]\n${Object.entries(row).map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`).join("")}`;
  return [
    ...sectionsOf(settings, duration).map((row) => table("sections", row)),
    ...settings.accents.map((time) => table("accents", { at_s: round(time) })),
    ...settings.silences.map(({ start, end }) => table("silences", { start_s: round(start), end_s: round(end) })),
  ].join("");
}
