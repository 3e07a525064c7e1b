/** Music is made, changed and taken away, by jobs of the HTTP API; the command lines that do the same. Seconds. */

import type { Dance } from "./dances";
import { button, choice, get, input } from "./dom";
import type { Span } from "./history";
import { changesWithin, isEmpty, marksToAdd, settingsAfter } from "./marks";
import { jobs, on, player, say } from "./page";
import {
  editCommand, editJob, exportCommand, exportJob, filmCommand, generateCommand, generateJob, type Edit, type Export, type Make,
} from "./request";
import { changed, pieceLength, state, take } from "./state";
import { listFiles, useTakes } from "./take_list";
import { addFiles, editedTake, takesOf, type Take } from "./takes";

// All takes of a dance are in memory, and run in step.
const MOST_TAKES = 12;

const make = (): Make => ({
  seed: Math.max(0, Math.floor(Number(input("seed").value) || 0)), takes: Number(choice("takes").value),
  model: state.model, length: pieceLength(),
});

/** What is chosen to be taken away. */
const wanted = (): Export => ({
  format: choice("format").value, stems: choice("stems").value, notes: input("notes").checked,
  layers: Number(choice("layers").value), pack: choice("pack").value,
});

const randomSeed = () => Math.floor(Math.random() * 1e6);
const decode = (data: ArrayBuffer) => player.decode(data);
const lengthOf = ({ motion }: Dance) => motion.inspection?.duration_s ?? 0;

/** What can be done now, and the commands. */
export function showActions(): void {
  const free = jobs.isFree, current = take(), { dance, history, selection } = state;
  button("make").disabled = !dance || !free;
  button("copy").disabled = !dance;
  button("again").disabled = !current || !selection || !free;
  button("add").disabled = !current || !free || isEmpty(marksToAdd(current.settings, history.now, null, player.duration));
  button("film").disabled = button("export").disabled = !current || !free;
  get("stop").hidden = get("progress").hidden = free;
  document.querySelectorAll<HTMLElement>(".composed").forEach((element) => { element.hidden = !current?.composed; });
  get<HTMLTextAreaElement>("command").value = commands().join("\n");
}

/** What makes the take that is chosen; before it, what the settings would make if they have changed. */
function commands(): string[] {
  const current = take(), { dance } = state;
  if (!dance) return [];
  const next = generateCommand(dance.motion.files, state.history.now, make());
  if (!current) return [next];
  const film = current.files.some(({ name }) => name.endsWith(".mp4")) ? [filmCommand(dance.motion.files, current.sound)] : [];
  const made = [...current.commands, exportCommand(current.sound, wanted(), current.composed), ...film];
  return next === current.commands[0] ? made : ["# as set now", next, "# this take", ...made];
}

/** The command that makes music of a dance; the same once more goes on with the next seeds, so that its takes are new. */
function nextCommand({ motion: { files }, takes }: Dance): string {
  const command = () => generateCommand(files, state.history.now, make());
  while (takes.some(({ commands: [first] }) => first === command())) {
    const { seed, takes: count } = make();
    input("seed").value = String(seed + count);
  }
  return command();
}

async function makeMusic(): Promise<void> {
  const { dance, history: { now: settings } } = state;
  if (!dance) return;
  const made = { settings, commands: [nextCommand(dance)] }, request = make();
  const job = await jobs.run(generateJob(dance.motion.id, settings, request), "Music");
  if (!job) return;
  const takes = await takesOf(job, made, dance.takes, lengthOf(dance), decode);
  dance.takes = [...takes, ...dance.takes].slice(0, MOST_TAKES);
  dance.selected = 0;
  if (dance === state.dance) useTakes();
  say(takes.length > 1 ? `${takes.length} takes, the best first. Press Play, and switch while they play.` : "Done. Press Play.");
}

/** Make the selection anew, with the marks and the energy that were drawn in it since. */
async function redoSelection(): Promise<void> {
  const current = take(), { selection: span, history } = state;
  if (!current || !span) return;
  const changes = changesWithin(current.settings, history.now, span, player.duration);
  await edit(current, { span, changes, seed: randomSeed() }, `${nameOf(span)} anew`);
}

const nameOf = ({ start, end }: Span) => `${start.toFixed(1)} to ${end.toFixed(1)} s`;

/** Add accents and silences to the take: only their bars are made anew. */
async function addMarks(): Promise<void> {
  const current = take();
  if (!current) return;
  const changes = marksToAdd(current.settings, state.history.now, null, player.duration);
  await edit(current, { span: null, changes, seed: randomSeed() }, "with marks");
}

async function edit(current: Take, change: Edit, what: string): Promise<void> {
  const { dance } = state, settings = settingsAfter(current.settings, state.history.now, change.changes, change.span);
  const job = await jobs.run(editJob(current.job.id, current.sound, change), "Change");
  if (!job || !dance) return;
  const { output } = job.result as { output: string };
  const made = { settings, commands: [...current.commands, editCommand(current.sound, change, output)] };
  dance.takes = [...dance.takes, await editedTake(current, job, what, made, lengthOf(dance), decode)];
  dance.selected = dance.takes.length - 1;
  if (dance === state.dance) useTakes();
  say("Done: the rest is as before.");
}

/** Do a job that makes more files of the take. */
async function addTo(current: Take, body: object, what: string): Promise<void> {
  const job = await jobs.run(body, what);
  if (!job) return;
  const names = addFiles(current, job);
  listFiles();
  changed();
  say(`In the list of files: ${names.length > 2 ? `${names.length} more` : names.join(", ")}`);
}

async function exportTake(): Promise<void> {
  const current = take();
  if (current) await addTo(current, exportJob(current.job.id, current.sound, wanted(), current.composed), "Export");
}

async function makeFilm(): Promise<void> {
  const current = take();
  if (current) await addTo(current, { task: "film", job: current.job.id, file: current.sound }, "Film");
}

async function copyCommand(): Promise<void> {
  const area = get<HTMLTextAreaElement>("command");
  area.select();
  // Not there on a page that comes over plain HTTP from another machine: the text is selected.
  if (!navigator.clipboard) { say("The command is selected: copy it with Ctrl+C."); return; }
  await navigator.clipboard.writeText(area.value);
  say("Copied.");
}

export function connectMaking(): void {
  on("make", "click", makeMusic);
  on("stop", "click", () => jobs.stop());
  on("again", "click", redoSelection);
  on("add", "click", addMarks);
  on("export", "click", exportTake);
  on("film", "click", makeFilm);
  on("copy", "click", copyCommand);
}
