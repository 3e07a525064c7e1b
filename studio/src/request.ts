/** Settings as jobs for the API, and as the command lines that do the same. Seconds. */

import type { Settings, Span } from "./history";
import { round, scoreOf, scoreToml } from "./score";

/** What is made of the settings: pieces from `seed` on. */
export interface Make { seed: number; takes: number }
/** What is taken away of a take. */
export interface Export { format: string; stems: string; notes: boolean; layers: number }

export function musicOptions(settings: Settings, make: Make, length: number): Record<string, unknown> {
  const beats: Record<string, unknown> = { reading: settings.reading };
  if (settings.bpm !== null) beats.bpm = settings.bpm;
  if (settings.first !== null) beats.first_beat_s = round(settings.first);
  if (settings.metre !== null) beats.metre = settings.metre;
  const options: Record<string, unknown> = { seed: make.seed, beats, engine: settings.engine };
  if (settings.loopBars !== null) options.loop = true;
  if (settings.loopBars) options.loop_bars = settings.loopBars;
  if (settings.genre) options.genre = settings.genre;
  const composer = composerOptions(settings);
  if (Object.keys(composer).length) options.composer = composer;
  const score = scoreOf(settings, length);
  if (score) options.score = score;
  return options;
}

function composerOptions({ engine, key, chords }: Settings): Record<string, string> {
  if (engine !== "composer") return {};
  return { ...(key && { key }), ...(chords && { chords }) };
}

export const generateJob = (motion: string, settings: Settings, make: Make, length: number) => ({
  task: "generate", motion, options: musicOptions(settings, make, length), variations: make.takes,
  beat_maps: ["json", "csv", "midi"],
});

export const redoJob = (job: string, file: string, { start, end }: Span, seed: number) => ({
  task: "edit", job, file, redo: [round(start), round(end)], options: { seed },
});

export function exportJob(job: string, file: string, wanted: Export, composed: boolean): object {
  const { format, stems, notes, layers } = wanted;
  // The notes have the tempo map too, under the same name.
  const beat_maps = ["json", "csv", "labels", ...(composed && notes ? [] : ["midi"])];
  return { task: "export", job, file, format, beat_maps, ...(composed && { composed: { stems, midi: notes, layers } }) };
}

const quote = (word: string) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);
const line = (words: (string | number)[]) => words.map((word) => quote(String(word))).join(" ");

/** The command that makes the same music; settings that have no option stand in a score file. */
export function generateCommand(motion: string, settings: Settings, make: Make, length: number): string {
  const words: (string | number)[] = ["kinetune", "generate", motion];
  const add = (...more: (string | number)[]) => words.push(...more);
  if (settings.engine !== "diffusion") add("--engine", settings.engine);
  if (settings.genre) add("--genre", settings.genre);
  Object.entries(composerOptions(settings)).forEach(([name, value]) => add(`--${name}`, value));
  if (settings.bpm !== null) add("--bpm", settings.bpm);
  if (settings.reading !== 1) add("--reading", settings.reading);
  if (settings.first !== null) add("--first-beat", round(settings.first));
  if (settings.metre !== null) add("--metre", settings.metre);
  if (make.seed) add("--seed", make.seed);
  if (make.takes > 1) add("--variations", make.takes);
  if (settings.loopBars !== null) add("--loop");
  if (settings.loopBars) add("--loop-bars", settings.loopBars);
  const score = scoreOf(settings, length);
  if (score && (settings.genre2 || settings.curve.length)) {
    add("--score", "score.toml");
    return `cat > score.toml <<'END'\n${scoreToml(score)}END\n${line(words)}`;
  }
  if (settings.energy !== 1) add("--energy", settings.energy);
  (score?.accents as { at_s: number }[] | undefined)?.forEach(({ at_s }) => add("--accent", at_s));
  (score?.silences as { start_s: number; end_s: number }[] | undefined)
    ?.forEach(({ start_s, end_s }) => add("--silence", `${start_s}:${end_s}`));
  return line(words);
}

/** The command that makes a take again, from its recipe. */
export const againCommand = (sound: string) => line(["kinetune", "again", sound.replace(/\.\w+$/, ".json"), "-o", `again-${sound}`]);
