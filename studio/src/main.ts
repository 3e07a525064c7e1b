/** The page: settings, jobs, takes and files, all through the HTTP API. */

import "./style.css";
import * as api from "./api";
import { beatsOf, firstDownbeat, tempoOfTaps, type Beat, type Grid } from "./beats";
import { button, choice, fileItem, get, hint, input, isPressed, press, radio, small } from "./dom";
import { History, type Effort, type Engine, type Span } from "./history";
import { Player } from "./player";
import { againCommand, exportJob, generateCommand, generateJob, redoJob, type Make } from "./request";
import { energyAt, joined, painted, toggled } from "./score";
import { Stage } from "./stage";
import { addFiles, redoneTake, takesOf, thumbnail, type Take } from "./takes";
import { Timeline, type Tool } from "./timeline";

const LOOP_BARS = [1, 2, 4, 8, 16, 32];
const ROOTS = ["C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"];

const history = new History();
const player = new Player();
const stage = new Stage(get<HTMLCanvasElement>("view"));
let motion: api.Motion | null = null;
let energy: number[] = [];
let energyFps = 30;
let takes: Take[] = [];
let selected = 0;
let selection: Span | null = null;
let running: string | null = null;
let taps: number[] = [];
let shift = 0;
let beats: Beat[] = [];
/** The curve while it is drawn. */
let draft: Effort[] | null = null;

const duration = () => motion?.inspection?.duration_s ?? 0;
const take = (): Take | undefined => takes[selected];

const timeline = new Timeline(
  get<HTMLCanvasElement>("line"),
  () => ({
    duration: duration(), energy, energyFps, events: motion?.inspection?.motion_beats_s ?? [], beats,
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
  const chosen = motion?.inspection?.readings[reading - 1];
  const base = chosen ?? motion?.inspection ?? { bpm: 120, bar_start_s: 0, metre: 4 };
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

const failed = (error: unknown) => say(error instanceof Error ? error.message : String(error), true);

/** Show the state everywhere but on the canvases, which are drawn all the time. */
function refresh(): void {
  beats = duration() ? beatsOf({ ...grid(), first: firstDownbeat(grid().first + shift, grid()) }, duration()) : [];
  const free = running === null, current = take();
  button("undo").disabled = !history.canUndo;
  button("redo").disabled = !history.canRedo;
  button("make").disabled = !motion || !free;
  button("play").disabled = button("copy").disabled = !motion;
  button("again").disabled = !current || !selection || !free;
  button("film").disabled = button("export").disabled = !current || !free;
  get("stop").hidden = get("progress").hidden = free;
  document.querySelectorAll<HTMLElement>(".composed").forEach((element) => { element.hidden = !current?.composed; });
  showSettings();
  const command = motion ? generateCommand(motion.name, history.now, make(), pieceLength()) : "";
  get<HTMLTextAreaElement>("command").value = current ? `${command}\n${againCommand(current.sound)}` : command;
}

/** Fill in a field, unless the user is writing in it. */
function fill(id: string, value: string): void {
  if (document.activeElement !== input(id)) input(id).value = value;
}

function showSettings(): void {
  const now = history.now, shown = grid();
  if (motion) {
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

async function open(file: Blob, name: string): Promise<void> {
  say(`Reading ${name} …`);
  const read = await api.uploadMotion(file, name);
  const [skeleton, positions] = await api.fetchSkeleton(read.id);
  player.setLoop(null);
  player.setTakes([], read.inspection?.duration_s ?? 0, 0);
  player.seek(0);
  motion = read;
  takes = [];
  selected = 0;
  selection = null;
  press("loop-region", false);
  history.reset();
  energy = skeleton.mean_joint_speed_m_s;
  energyFps = skeleton.fps;
  stage.load(skeleton, positions);
  get("drop").classList.add("away");
  listReadings();
  listTakes();
  const found = read.inspection;
  get("name").textContent = found ? `${read.name}: ${found.format}, ${found.duration_s.toFixed(1)} s` : read.name;
  const reason = found?.doubt && found.doubt !== "unsure" ? ` (${found.doubt})` : "";
  say(found?.doubt ? `Ready. The beat is uncertain${reason}: listen, and choose another reading if it is off.` : "Ready. Press Make music.");
  refresh();
}

function listReadings(): void {
  const readings = motion?.inspection?.readings ?? [];
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
  const list = takes.map((one, index) => {
    const element = radio("take", index, one.label, () => pick(index), thumbnail(one), small(one.note));
    (element.firstElementChild as HTMLInputElement).checked = index === selected;
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
  selected = index;
  player.select(index);
  listFiles();
  refresh();
}

/** Do a job, with progress and a way to stop it; null if it was stopped. */
async function run(body: object, what: string): Promise<api.Job | null> {
  const job = await api.createJob(body);
  running = job.id;
  refresh();
  const bar = get<HTMLProgressElement>("progress");
  try {
    const done = await api.followJob(job.id, (state) => {
      const { stage: name, done: steps, total } = state.progress;
      if (total) bar.value = steps / total;
      else bar.removeAttribute("value");
      if (state.status === "queued") say(`${what}: waiting, ${state.queue_position} before it`);
      else say(`${what}: ${name || "starting"}${total ? ` ${Math.floor((100 * steps) / total)} %` : ""}${remaining(state)}`);
    });
    return done.status === "done" ? done : (say("Stopped."), null);
  } finally {
    running = null;
    refresh();
  }
}

function remaining(job: api.Job): string {
  const { done, total } = job.progress;
  if (!job.started || !done || done >= total) return "";
  const spent = Date.now() / 1000 - job.started;
  return `, ${Math.max(1, Math.round((spent * (total - done)) / done))} s left`;
}

const decode = (data: ArrayBuffer) => player.decode(data);

async function makeMusic(): Promise<void> {
  if (!motion) return;
  const job = await run(generateJob(motion.id, history.now, make(), pieceLength()), "Music");
  if (!job) return;
  takes = await takesOf(job, duration(), decode);
  selected = 0;
  useTakes();
  say(takes.length > 1 ? `${takes.length} takes, the best first. Switch while they play.` : "Done. Press Play.");
}

function useTakes(): void {
  const current = take();
  player.setTakes(takes.map(({ buffer }) => buffer), current?.loops ? current.buffer.duration : duration(), selected);
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

async function redoSelection(): Promise<void> {
  const current = take();
  if (!current || !selection) return;
  const { start, end } = selection, seed = Math.floor(Math.random() * 1e6);
  const job = await run(redoJob(current.job.id, current.sound, selection, seed), "Redo");
  if (!job) return;
  takes = [...takes, await redoneTake(current, job, `${start.toFixed(1)} to ${end.toFixed(1)} s`, duration(), decode)];
  selected = takes.length - 1;
  useTakes();
  say("Done: the rest is as before.");
}

/** Do a job that makes more files of the take. */
async function addTo(current: Take, body: object, what: string): Promise<void> {
  const job = await run(body, what);
  if (!job) return;
  const names = addFiles(current, job);
  listFiles();
  say(`In the list of files: ${names.length > 2 ? `${names.length} more` : names.join(", ")}`);
}

async function exportTake(): Promise<void> {
  const current = take();
  if (!current) return;
  const wanted = {
    format: choice("format").value, stems: choice("stems").value, notes: input("notes").checked,
    layers: Number(choice("layers").value),
  };
  await addTo(current, exportJob(current.job.id, current.sound, wanted, current.composed), "Export");
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
  on("file", "change", () => { const file = input("file").files?.[0]; return file && open(file, file.name); });
  on("example", "click", openExample);
  on("make", "click", makeMusic);
  on("stop", "click", () => running && api.stopJob(running));
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
  ["seed", "takes"].forEach((id) => on(id, "change", refresh));
}

async function openExample(): Promise<void> {
  const reply = await fetch("v1/example");
  const name = /filename="([^"]+)"/.exec(reply.headers.get("content-disposition") ?? "")?.[1] ?? "example.pkl";
  await open(await reply.blob(), name);
}

function connectKeys(): void {
  document.addEventListener("keydown", (event) => {
    const target = event.target as HTMLElement;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
      event.preventDefault();
      if (event.shiftKey) history.redo(); else history.undo();
      refresh();
    } else if (event.key === " " && !/^(INPUT|SELECT|TEXTAREA|BUTTON|A|SUMMARY)$/.test(target.tagName) && motion) {
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
    const file = event.dataTransfer?.files[0];
    if (file) open(file, file.name).catch(failed);
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
Object.assign(window, { kinetune: { player, stage, history } });
begin().catch(failed);
