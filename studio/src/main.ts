/** The page: settings, jobs, takes and files, all through the HTTP API. */

import "./style.css";
import * as api from "./api";
import { beatsOf, firstDownbeat, tempoOfTaps, type Beat, type Grid } from "./beats";
import { groupOf, isGroup, MOST_DANCERS, uploadDance, type Dance } from "./dances";
import { button, choice, fileItem, get, hint, input, isPressed, press, radio, small } from "./dom";
import { History, type Effort, type Engine, type Span } from "./history";
import { changesWithin, isEmpty, marksToAdd, settingsAfter } from "./marks";
import { Jobs } from "./jobs";
import { Player } from "./player";
import {
  editCommand, editJob, exportCommand, exportJob, filmCommand, generateCommand, generateJob, type Edit, type Export, type Make,
} from "./request";
import { energyAt, joined, painted, toggled } from "./score";
import { Stage } from "./stage";
import { addFiles, editedTake, takesOf, thumbnail, type Take } from "./takes";
import { Timeline, type Tool } from "./timeline";

const LOOP_BARS = [1, 2, 4, 8, 16, 32];
const ROOTS = ["C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"];

const player = new Player();
const stage = new Stage(get<HTMLCanvasElement>("view"));
/** The dances on the page, the groups made of them among these, and the one that is shown. */
let dances: Dance[] = [];
let dance: Dance | null = null;
let history = new History();
let selection: Span | null = null;
let taps: number[] = [];
let shift = 0;
let beats: Beat[] = [];
/** The curve while it is drawn. */
let draft: Effort[] | null = null;

const inspection = () => dance?.motion.inspection;
const duration = () => inspection()?.duration_s ?? 0;
const take = (): Take | undefined => dance?.takes[dance.selected];

const timeline = new Timeline(
  get<HTMLCanvasElement>("line"),
  () => ({
    duration: duration(), energy: dance?.skeleton.mean_joint_speed_m_s ?? [], energyFps: dance?.skeleton.fps ?? 30,
    events: inspection()?.motion_beats_s ?? [], beats,
    peaks: take()?.peaks ?? null, accents: history.now.accents, silences: history.now.silences,
    curve: draft ?? history.now.curve, sections: sections(), selection, position: player.position, loop: player.region,
  }),
  {
    seek: (time) => player.seek(time),
    select: (span) => { selection = span; updateLoop(); refresh(); },
    accent: (time) => change({ accents: toggled(history.now.accents, time) }),
    silence: (span) => change({ silences: joined([...history.now.silences, span]) }),
    energy: drawEnergy,
    scaleEnergy: (factor) => {
      const span = selection ?? barsIn(player.position, player.position)[0];
      if (span) change({ curve: painted(history.now.curve, span, Number((energyAt(history.now.curve, span.start) * factor).toFixed(2))) });
    },
    shiftBeats: (by, done) => {
      shift = done ? 0 : by;
      if (done) change({ first: firstDownbeat(grid().first + by, grid()) });
      else refresh();
    },
    loop: toggleLoop,
  },
);

/** The grid in use: a reading of the dance, with what the user set instead. */
function grid(): Grid {
  const { reading, bpm, first, metre } = history.now;
  const chosen = inspection()?.readings[reading - 1];
  const base = chosen ?? inspection() ?? { bpm: 120, bar_start_s: 0, metre: 4 };
  const result: Grid = { bpm: bpm ?? base.bpm, first: 0, metre: metre ?? base.metre };
  result.first = firstDownbeat(first ?? base.bar_start_s, result);
  return result;
}

const barLength = () => (60 / grid().bpm) * (history.now.engine === "composer" ? 4 : grid().metre);
/** Length of the music. */
const pieceLength = () => Math.min(duration(), history.now.loopBars ? history.now.loopBars * barLength() : Infinity);

/** Bars that a stretch touches; what is before the first bar line counts as one. */
function barsIn(from: number, to: number): Span[] {
  const lines = [0, ...beats.filter(({ inBar, time }) => inBar === 1 && time > 1e-3).map(({ time }) => time), duration()];
  return lines.slice(0, -1).map((start, k) => ({ start, end: lines[k + 1] ?? start }))
    .filter(({ start, end }) => end > Math.min(from, to) && start <= Math.max(from, to));
}

function drawEnergy(from: number, to: number, factor: number, done: boolean): void {
  draft = barsIn(from, to).reduce((curve, bar) => painted(curve, bar, factor), draft ?? history.now.curve);
  if (!done) return;
  const curve = draft;
  draft = null;
  change({ curve });
}

/** What the time line names: the genres of the two halves, or the form of a composed take. */
function sections(): (Span & { label: string })[] {
  const { genre, genre2 } = history.now, length = pieceLength();
  if (genre2) {
    const lines = barsIn(0, length).map(({ start }) => start);
    const half = lines.reduce((best, line) => (Math.abs(line - length / 2) < Math.abs(best - length / 2) ? line : best), 0);
    return [{ start: 0, end: half, label: genre || "automatic" }, { start: half, end: length, label: genre2 }];
  }
  const form = take()?.form ?? [];
  return form.length < 2 ? [] : form.map(([start, label], k) => ({ start, end: form[k + 1]?.[0] ?? length, label }));
}

const make = (): Make => ({
  seed: Math.max(0, Math.floor(Number(input("seed").value) || 0)), takes: Number(choice("takes").value),
});

function change(part: Parameters<History["set"]>[0]): void {
  if (history.set(part)) refresh();
}

function say(text: string, isError = false): void {
  const status = get("status");
  status.textContent = text;
  status.classList.toggle("error", isError);
}

const jobs = new Jobs(say, refresh);
const failed = (error: unknown) => say(error instanceof Error ? error.message : String(error), true);

/** Show the state everywhere but on the canvases, which are drawn all the time. */
function refresh(): void {
  beats = duration() ? beatsOf({ ...grid(), first: firstDownbeat(grid().first + shift, grid()) }, duration()) : [];
  const free = jobs.isFree, current = take();
  button("undo").disabled = !history.canUndo;
  button("redo").disabled = !history.canRedo;
  button("make").disabled = !dance || !free;
  button("play").disabled = button("copy").disabled = !dance;
  button("again").disabled = !current || !selection || !free;
  button("add").disabled = !current || !free || isEmpty(marksToAdd(current.settings, history.now, null, player.duration));
  button("film").disabled = button("export").disabled = !current || !free;
  get("stop").hidden = get("progress").hidden = free;
  document.querySelectorAll<HTMLElement>(".composed").forEach((element) => { element.hidden = !current?.composed; });
  showSettings();
  get<HTMLTextAreaElement>("command").value = commands().join("\n");
}

/** What makes the take that is chosen; before it, what the settings would make if they have changed. */
function commands(): string[] {
  const current = take();
  if (!dance) return [];
  const next = generateCommand(dance.motion.files, history.now, make(), pieceLength());
  if (!current) return [next];
  const film = current.files.some(({ name }) => name.endsWith(".mp4")) ? [filmCommand(dance.motion.files, current.sound)] : [];
  const made = [...current.commands, exportCommand(current.sound, wanted(), current.composed), ...film];
  return next === current.commands[0] ? made : ["# as set now", next, "# this take", ...made];
}

/** Fill in a field, unless the user is writing in it. */
function fill(id: string, value: string): void {
  if (document.activeElement !== input(id)) input(id).value = value;
}

function showSettings(): void {
  const now = history.now, shown = grid();
  if (dance) {
    fill("bpm", shown.bpm.toFixed(1));
    fill("first", shown.first.toFixed(2));
    choice("metre").value = String(shown.metre);
  }
  choice("engine").value = now.engine;
  choice("genre").value = now.genre;
  choice("genre2").value = now.genre2;
  choice("key").value = now.key;
  fill("chords", now.chords);
  get("harmony").hidden = now.engine !== "composer";
  input("energy").value = String(now.energy);
  get("energy-value").textContent = now.energy.toFixed(2);
  const bars = LOOP_BARS.filter((count) => count * barLength() <= duration() + 1e-6 || count === now.loopBars);
  choice("loop").replaceChildren(
    new Option("none", ""), new Option("the whole dance", "0"),
    ...bars.map((count) => new Option(count === 1 ? "1 bar" : `${count} bars`, String(count))),
  );
  choice("loop").value = now.loopBars === null ? "" : String(now.loopBars);
  document.querySelectorAll<HTMLInputElement>("input[name=reading]").forEach((control) => {
    control.checked = Number(control.value) === now.reading && now.bpm === null;
  });
}

/** Read files; several can then be one group. */
async function open(files: File[]): Promise<void> {
  if (!files.length) return;
  const read: Dance[] = [];
  for (const file of files) {
    say(`Reading ${file.name} …`);
    read.push(await uploadDance(file, file.name));
  }
  dances = read;
  listDances();
  const [first] = dances;
  if (first) show(first);
  if (dances.length > 1) say(`${dances.length} dances. Choose one, or all as one group.`);
}

/** Show a dance with its own settings and takes. */
function show(next: Dance): void {
  player.setLoop(null);
  player.setTakes([], next.motion.inspection?.duration_s ?? 0, 0);
  player.seek(0);
  dance = next;
  history = next.history;
  selection = null;
  press("loop-region", false);
  stage.load(next.skeleton, next.positions);
  get("apart").hidden = !isGroup(next);
  press("apart", stage.apart);
  get("drop").classList.add("away");
  listReadings();
  if (next.takes.length) useTakes();
  else listTakes();
  const { name, inspection: found } = next.motion;
  get("name").textContent = found ? `${name}: ${found.format}, ${found.duration_s.toFixed(1)} s` : name;
  const reason = found?.doubt && found.doubt !== "unsure" ? ` (${found.doubt})` : "";
  say(found?.doubt ? `Ready. The beat is uncertain${reason}: listen, and choose another reading if it is off.` : "Ready. Press Make music.");
  refresh();
}

/** The dances that were dropped, and all of them as one group. */
function listDances(): void {
  const alone = dances.filter((one) => !isGroup(one));
  get("dances").hidden = alone.length < 2;
  const rows = alone.map((one, index) => radio("dance", index, one.motion.name, () => show(one)));
  if (alone.length > 1 && alone.length <= MOST_DANCERS) rows.push(radio("dance", alone.length, "All as one group", showGroup));
  const first = rows[0]?.firstElementChild as HTMLInputElement | null;
  if (first) first.checked = true;
  get("dance-list").replaceChildren(...rows);
}

function showGroup(): void {
  const known = dances.find(isGroup);
  if (known) { show(known); return; }
  say("Reading the group …");
  groupOf(dances).then((group) => { dances.push(group); show(group); }).catch(failed);
}

function toggleApart(): void {
  press("apart", !isPressed("apart"));
  stage.setApart(isPressed("apart"));
}

function listReadings(): void {
  const readings = inspection()?.readings ?? [];
  get("reading-list").replaceChildren(
    ...readings.slice(0, 5).map((reading, index) =>
      radio(
        "reading", index + 1,
        `${reading.bpm.toFixed(1)} bpm, bar at ${firstDownbeat(reading.bar_start_s, { ...reading, first: 0 }).toFixed(2)} s`,
        () => change({ reading: index + 1, bpm: null, first: null, metre: null }),
        small(`${Math.round(reading.probability * 100)} %`),
      ),
    ),
  );
}

function listTakes(): void {
  const list = (dance?.takes ?? []).map((one, index) => {
    const element = radio("take", index, one.label, () => pick(index), thumbnail(one), small(one.note));
    (element.firstElementChild as HTMLInputElement).checked = index === dance?.selected;
    return element;
  });
  get("take-list").replaceChildren(...(list.length ? list : [hint("p", "None yet.")]));
  listFiles();
}

function listFiles(): void {
  const items = (take()?.files ?? []).map(({ name, bytes, job }) => fileItem(name, bytes, api.fileUrl(job, name)));
  get("files").replaceChildren(...(items.length ? items : [hint("li", "None yet.")]));
}

function pick(index: number): void {
  if (dance) dance.selected = index;
  player.select(index);
  listFiles();
  refresh();
}

const decode = (data: ArrayBuffer) => player.decode(data);

async function makeMusic(): Promise<void> {
  const own = dance;
  if (!own) return;
  const { motion } = own, settings = history.now, now = make(), length = pieceLength();
  const made = { settings, commands: [generateCommand(motion.files, settings, now, length)] };
  const job = await jobs.run(generateJob(motion.id, settings, now, length), "Music");
  if (!job) return;
  own.takes = await takesOf(job, made, motion.inspection?.duration_s ?? 0, decode);
  own.selected = 0;
  if (own === dance) useTakes();
  say(own.takes.length > 1 ? `${own.takes.length} takes, the best first. Switch while they play.` : "Done. Press Play.");
}

function useTakes(): void {
  const current = take(), takes = dance?.takes ?? [];
  player.setTakes(takes.map(({ buffer }) => buffer), current?.loops ? current.buffer.duration : duration(), dance?.selected ?? 0);
  updateLoop();
  listTakes();
  refresh();
}

/** A loop plays over and over, and so does the selection if that is wanted. */
function updateLoop(): void {
  const whole = take()?.loops ? { start: 0, end: player.duration } : null;
  const wanted = isPressed("loop-region") ? (selection ?? { start: 0, end: player.duration }) : null;
  const region = wanted ?? whole;
  if (JSON.stringify(region) !== JSON.stringify(player.region)) player.setLoop(region);
}

function toggleLoop(): void {
  press("loop-region", !isPressed("loop-region"));
  updateLoop();
}

/** Make the selection anew, with the marks and the energy that were drawn in it since. */
async function redoSelection(): Promise<void> {
  const current = take();
  if (!current || !selection) return;
  const changes = changesWithin(current.settings, history.now, selection, player.duration);
  await edit(current, { span: selection, changes, seed: randomSeed() }, `${selection.start.toFixed(1)} to ${selection.end.toFixed(1)} s anew`);
}

/** Add accents and silences to the take: only their bars are made anew. */
async function addMarks(): Promise<void> {
  const current = take();
  if (!current) return;
  const changes = marksToAdd(current.settings, history.now, null, player.duration);
  await edit(current, { span: null, changes, seed: randomSeed() }, "with marks");
}

const randomSeed = () => Math.floor(Math.random() * 1e6);

async function edit(current: Take, change: Edit, what: string): Promise<void> {
  const own = dance, settings = settingsAfter(current.settings, history.now, change.changes, change.span);
  const job = await jobs.run(editJob(current.job.id, current.sound, change), "Change");
  if (!job || !own) return;
  const { output } = job.result as { output: string };
  const made = { settings, commands: [...current.commands, editCommand(current.sound, change, output)] };
  own.takes = [...own.takes, await editedTake(current, job, what, made, own.motion.inspection?.duration_s ?? 0, decode)];
  own.selected = own.takes.length - 1;
  if (own === dance) useTakes();
  say("Done: the rest is as before.");
}

/** Do a job that makes more files of the take. */
async function addTo(current: Take, body: object, what: string): Promise<void> {
  const job = await jobs.run(body, what);
  if (!job) return;
  const names = addFiles(current, job);
  listFiles();
  refresh();
  say(`In the list of files: ${names.length > 2 ? `${names.length} more` : names.join(", ")}`);
}

/** What is chosen to be taken away. */
const wanted = (): Export => ({
  format: choice("format").value, stems: choice("stems").value, notes: input("notes").checked,
  layers: Number(choice("layers").value), pack: choice("pack").value,
});

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

function tap(): void {
  const now = player.playing ? player.position : performance.now() / 1000;
  if (taps.length && Math.abs(now - (taps.at(-1) ?? 0)) > 2.5) taps = [];
  taps.push(now);
  const tempo = tempoOfTaps(taps);
  if (!tempo) { say(`Tap ${4 - taps.length} more times.`); return; }
  const bpm = Number(Math.min(300, Math.max(30, tempo.bpm)).toFixed(1));
  // Only taps along with the dance say where the beat is.
  change(player.playing ? { bpm, first: firstDownbeat(tempo.phase, { ...grid(), bpm }) } : { bpm });
  say(`${bpm} bpm from ${taps.length} taps`);
}

function toggleTap(): void {
  press("tap", !isPressed("tap"));
  taps = [];
  if (isPressed("tap")) say("Press Play, then tap the space bar in time; Tap the tempo ends it.");
}

function togglePlay(): void {
  if (player.playing) player.pause();
  else player.play();
}

function setTheme(dark: boolean): void {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  press("theme", dark);
  stage.setTheme(dark);
  listTakes();
}

function frame(): void {
  if (player.ended) player.pause();
  const time = player.position;
  const last = beats.findLast((beat) => beat.time <= time + 1e-3);
  const since = last ? time - last.time : Infinity;
  stage.draw(time, Math.exp(-since * 7), last?.inBar === 1);
  get("counter").textContent = last && last.bar >= 1 ? `${last.bar}.${last.inBar}` : "";
  get("clock").textContent = `${time.toFixed(1)} / ${player.duration.toFixed(1)} s`;
  get("play").textContent = player.playing ? "Pause" : "Play";
  timeline.draw();
  requestAnimationFrame(frame);
}

const on = (id: string, event: string, act: () => unknown) =>
  get(id).addEventListener(event, () => { Promise.resolve().then(act).catch(failed); });

function connect(): void {
  on("choose", "click", () => input("file").click());
  on("open", "click", () => input("file").click());
  on("file", "change", () => open([...(input("file").files ?? [])]));
  on("apart", "click", toggleApart);
  on("add", "click", addMarks);
  on("example", "click", openExample);
  on("make", "click", makeMusic);
  on("stop", "click", () => jobs.stop());
  on("again", "click", redoSelection);
  on("export", "click", exportTake);
  on("film", "click", makeFilm);
  on("copy", "click", copyCommand);
  on("play", "click", togglePlay);
  on("loop-region", "click", toggleLoop);
  on("tap", "click", toggleTap);
  on("clear", "click", () => { selection = null; updateLoop(); change({ accents: [], silences: [], curve: [] }); refresh(); });
  on("undo", "click", () => { history.undo(); refresh(); });
  on("redo", "click", () => { history.redo(); refresh(); });
  on("theme", "click", () => setTheme(!isPressed("theme")));
  document.querySelectorAll<HTMLInputElement>("input[name=tool]").forEach((control) =>
    control.addEventListener("change", () => { timeline.tool = control.value as Tool; }),
  );
  connectSettings();
  connectKeys();
  connectDrop();
}

function connectSettings(): void {
  on("engine", "change", () => change({ engine: choice("engine").value as Engine }));
  on("genre", "change", () => change({ genre: choice("genre").value }));
  on("genre2", "change", () => change({ genre2: choice("genre2").value }));
  on("key", "change", () => change({ key: choice("key").value }));
  on("chords", "change", () => change({ chords: input("chords").value.trim() }));
  on("energy", "change", () => change({ energy: Number(input("energy").value) }));
  on("loop", "change", () => change({ loopBars: choice("loop").value === "" ? null : Number(choice("loop").value) }));
  on("bpm", "change", () => change({ bpm: Math.min(300, Math.max(30, Number(input("bpm").value) || 120)) }));
  on("first", "change", () => change({ first: Math.max(0, Number(input("first").value) || 0) }));
  on("metre", "change", () => change({ metre: Number(choice("metre").value) }));
  ["seed", "takes", "format", "stems", "notes", "layers", "pack"].forEach((id) => on(id, "change", refresh));
}

async function openExample(): Promise<void> {
  const reply = await fetch("v1/example");
  const name = /filename="([^"]+)"/.exec(reply.headers.get("content-disposition") ?? "")?.[1] ?? "example.pkl";
  await open([new File([await reply.blob()], name)]);
}

function connectKeys(): void {
  document.addEventListener("keydown", (event) => {
    const target = event.target as HTMLElement;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
      event.preventDefault();
      if (event.shiftKey) history.redo(); else history.undo();
      refresh();
    } else if (event.key === " " && !/^(INPUT|SELECT|TEXTAREA|BUTTON|A|SUMMARY)$/.test(target.tagName) && dance) {
      event.preventDefault();
      if (isPressed("tap")) tap();
      else togglePlay();
    } else if (event.key === " " && isPressed("tap") && target.id === "tap") {
      // The button has the focus after it was pressed; the space bar taps, Enter ends it.
      event.preventDefault();
      tap();
    }
  });
  get("tap").addEventListener("keyup", (event) => { if (event.key === " ") event.preventDefault(); });
}

function connectDrop(): void {
  const target = get("stage");
  const stop = (event: Event) => { event.preventDefault(); };
  document.addEventListener("dragover", (event) => { stop(event); target.classList.add("over"); });
  document.addEventListener("dragleave", () => target.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    stop(event);
    target.classList.remove("over");
    open([...(event.dataTransfer?.files ?? [])]).catch(failed);
  });
}

async function begin(): Promise<void> {
  // First, so that a file dropped at once is taken.
  connect();
  setTheme(window.matchMedia("(prefers-color-scheme: dark)").matches);
  const names = ["major", "minor"].flatMap((mode) => ROOTS.map((root) => `${root} ${mode}`));
  choice("key").replaceChildren(new Option("automatic", ""), ...names.map((name) => new Option(name, name)));
  const genres = (await (await fetch("v1/genres")).json()) as { code: string; name: string }[];
  const options = (empty: string) => [new Option(empty, ""), ...genres.map(({ name }) => new Option(name, name))];
  choice("genre").replaceChildren(...options("automatic"));
  choice("genre2").replaceChildren(...options("the same"));
  refresh();
  requestAnimationFrame(frame);
}

// For tests: what is heard and what is shown.
Object.assign(window, { kinetune: { player, stage, get history() { return history; } } });
begin().catch(failed);
