/** Settings as jobs for the API, and as the command lines that do the same. Seconds. */

import type { Settings, Span } from "./history";
import { isEmpty, type Changes } from "./marks";
import { round, scoreOf, scoreToml } from "./score";

/** A model of the server. */
export interface Model { name: string; readsHarmony: boolean }
/** What is made of the settings: pieces of a length from `seed` on, by the model unless the composer makes them. */
export interface Make { seed: number; takes: number; model: Model; length: number }
/** What is taken away of a take. */
export interface Export { format: string; stems: string; notes: boolean; layers: number; pack: string }

function musicOptions(settings: Settings, { seed, length, model }: Make): Record<string, unknown> {
  const beats: Record<string, unknown> = { reading: settings.reading };
  if (settings.bpm !== null) beats.bpm = settings.bpm;
  if (settings.first !== null) beats.first_beat_s = round(settings.first);
  if (settings.metre !== null) beats.metre = settings.metre;
  const options: Record<string, unknown> = { seed, beats, engine: settings.engine };
  if (settings.loopBars !== null) options.loop = true;
  if (settings.loopBars) options.loop_bars = settings.loopBars;
  if (settings.genre) options.genre = settings.genre;
  if (settings.prompt) options.prompt = { text: settings.prompt };
  const harmony = harmonyOptions(settings, model);
  if (Object.keys(harmony).length) options.composer = harmony;
  const score = scoreOf(settings, length);
  if (score) options.score = score;
  return options;
}

/** Whether key and chords decide what is made: the composer knows them, and some models do. */
export const readsHarmony = ({ engine }: Settings, model: Model) => engine === "composer" || model.readsHarmony;

function harmonyOptions(settings: Settings, model: Model): Record<string, string> {
  const { key, chords } = settings;
  return readsHarmony(settings, model) ? { ...(key && { key }), ...(chords && { chords }) } : {};
}

/** The name of the model of a request, if it is another than the usual one. */
const namedModel = ({ engine }: Settings, { name }: Model) => (engine === "diffusion" && name !== "default" ? name : null);

export function generateJob(motion: string, settings: Settings, make: Make): object {
  const model = namedModel(settings, make.model);
  return {
    task: "generate", motion, options: musicOptions(settings, make), variations: make.takes,
    beat_maps: ["json", "csv", "midi"], ...(model && { model }),
  };
}

/** A change of a take: a stretch anew, marks that are added, or both. */
export interface Edit { span: Span | null; changes: Changes; seed: number }

export const editJob = (job: string, file: string, { span, changes, seed }: Edit) => ({
  task: "edit", job, file, ...(span && { redo: [round(span.start), round(span.end)] }),
  ...(!isEmpty(changes) && { changes }), options: { seed },
});

/** The command that makes the same change. */
export function editCommand(sound: string, { span, changes, seed }: Edit, output: string): string {
  const words: (string | number)[] = ["kinetune", "edit", sound];
  if (span) words.push("--redo", `${round(span.start)}:${round(span.end)}`);
  changes.accents.forEach(({ at_s, strength }) => words.push("--accent", strength === 1 ? at_s : `${at_s}:${strength}`));
  changes.silences.forEach(({ start_s, end_s }) => words.push("--silence", `${start_s}:${end_s}`));
  if (changes.energy !== undefined) words.push("--energy", changes.energy);
  if (seed) words.push("--seed", seed);
  return line([...words, "-o", output]);
}

export function exportJob(job: string, file: string, wanted: Export, composed: boolean): object {
  const { format, stems, notes, layers, pack } = wanted;
  return {
    task: "export", job, file, format, beat_maps: beatMaps(wanted, composed), packs: pack ? [pack] : [],
    ...(composed && { composed: { stems, midi: notes, layers } }),
  };
}

// The notes have the tempo map too, under the same name.
const beatMaps = ({ notes }: Export, composed: boolean) => ["json", "csv", "labels", ...(composed && notes ? [] : ["midi"])];

const quote = (word: string) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);
const line = (words: (string | number)[]) => words.map((word) => quote(String(word))).join(" ");

/** The command that makes the same music; settings that have no option stand in a score file. */
export function generateCommand(motions: string[], settings: Settings, make: Make): string {
  const words: (string | number)[] = ["kinetune", "generate", ...motions];
  const add = (...more: (string | number)[]) => words.push(...more);
  if (motions.length > 1) add("--together");
  const model = namedModel(settings, make.model);
  if (settings.engine !== "diffusion") add("--engine", settings.engine);
  if (model) add("--model", model);
  if (settings.genre) add("--genre", settings.genre);
  if (settings.prompt) add("--prompt", settings.prompt);
  Object.entries(harmonyOptions(settings, make.model)).forEach(([name, value]) => add(`--${name}`, value));
  if (settings.bpm !== null) add("--bpm", settings.bpm);
  if (settings.reading !== 1) add("--reading", settings.reading);
  if (settings.first !== null) add("--first-beat", round(settings.first));
  if (settings.metre !== null) add("--metre", settings.metre);
  if (make.seed) add("--seed", make.seed);
  if (make.takes > 1) add("--variations", make.takes);
  if (settings.loopBars !== null) add("--loop");
  if (settings.loopBars) add("--loop-bars", settings.loopBars);
  const score = scoreOf(settings, make.length);
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

/** The command that makes a take again from its recipe, with what is taken away of it, in a folder of its own. */
export function exportCommand(sound: string, wanted: Export, composed: boolean): string {
  const stem = sound.replace(/\.\w+$/, "");
  const words: (string | number)[] = ["kinetune", "again", `${stem}.json`, "-o", `away/${stem}.${wanted.format}`];
  beatMaps(wanted, composed).forEach((name) => words.push("--beat-map", name));
  if (composed && wanted.stems !== "none") words.push("--stems", wanted.stems);
  if (composed && wanted.notes) words.push("--midi");
  if (composed && wanted.layers) words.push("--layers", wanted.layers);
  if (wanted.pack) words.push("--pack", wanted.pack);
  return line(words);
}

/** The command that films the dancers with a take. */
export function filmCommand([first = "", ...partners]: string[], sound: string): string {
  return line(["kinetune", "film", first, sound, ...partners.flatMap((name) => ["--partner", name])]);
}
