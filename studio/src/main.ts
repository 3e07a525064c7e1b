/** The page: settings, jobs, takes and files, all through the HTTP API. */

import "./style.css";
import * as api from "./api";
import { beatsOf, firstDownbeat, tempoOfTaps, type Beat, type Grid } from "./beats";
import { History, type Span } from "./history";
import { Player } from "./player";
import { commandLine, generateJob, type Make } from "./request";
import { Stage } from "./stage";
import { peaksOf, Timeline, type Tool } from "./timeline";

interface Take { label: string; job: api.Job; sound: string; buffer: AudioBuffer; peaks: Float32Array }

const get = <T extends HTMLElement>(id: string): T => {
  const element = document.getElementById(id);
  if (!element) throw new Error(`no element ${id}`);
  return element as T;
};
const input = (id: string) => get<HTMLInputElement>(id);
const choice = (id: string) => get<HTMLSelectElement>(id);

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

const timeline = new Timeline(
  get<HTMLCanvasElement>("line"),
  () => ({
    duration: motion?.inspection?.duration_s ?? 0, energy, energyFps, beats,
    peaks: takes[selected]?.peaks ?? null, accents: history.now.accents, silences: history.now.silences,
    selection, position: player.position, loop: player.loop,
  }),
  {
    seek: (time) => player.seek(time),
    select: (span) => { selection = span; refresh(); },
    accent: (time) => change({ accents: toggled(history.now.accents, time) }),
    silence: (span) => change({ silences: joined([...history.now.silences, span]) }),
    shiftBeats: (by, done) => {
      shift = done ? 0 : by;
      if (done) change({ first: firstDownbeat(grid().first + by, grid()) });
      else refresh();
    },
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

function toggled(accents: number[], time: number): number[] {
  const near = accents.find((other) => Math.abs(other - time) < 0.15);
  return near === undefined ? [...accents, time].sort((a, b) => a - b) : accents.filter((other) => other !== near);
}

/** Spans that overlap become one. */
function joined(spans: Span[]): Span[] {
  const result: Span[] = [];
  for (const span of [...spans].sort((a, b) => a.start - b.start)) {
    const last = result.at(-1);
    if (last && span.start <= last.end) last.end = Math.max(last.end, span.end);
    else result.push({ ...span });
  }
  return result;
}

const make = (): Make => ({
  seed: Math.max(0, Math.floor(Number(input("seed").value) || 0)), takes: Number(choice("takes").value),
  format: choice("format").value, loop: input("loop").checked,
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
  const now = history.now, duration = motion?.inspection?.duration_s ?? 0;
  beats = duration ? beatsOf({ ...grid(), first: firstDownbeat(grid().first + shift, grid()) }, duration) : [];
  get<HTMLButtonElement>("undo").disabled = !history.canUndo;
  get<HTMLButtonElement>("redo").disabled = !history.canRedo;
  get<HTMLButtonElement>("make").disabled = !motion || running !== null;
  get<HTMLButtonElement>("play").disabled = !motion;
  get<HTMLButtonElement>("again").disabled = !takes.length || !selection || running !== null;
  get<HTMLButtonElement>("film").disabled = !takes.length || running !== null;
  get("stop").hidden = running === null;
  get("progress").hidden = running === null;
  const shown = grid();
  if (motion) {
    input("bpm").value = shown.bpm.toFixed(1);
    input("first").value = shown.first.toFixed(2);
    choice("metre").value = String(shown.metre);
  }
  choice("genre").value = now.genre;
  choice("genre2").value = now.genre2;
  input("energy").value = String(now.energy);
  get("energy-value").textContent = now.energy.toFixed(2);
  document.querySelectorAll<HTMLInputElement>("input[name=reading]").forEach((radio) => {
    radio.checked = Number(radio.value) === now.reading && now.bpm === null;
  });
  get<HTMLTextAreaElement>("command").value = motion ? commandLine(motion.name, now, make(), duration) : "";
}

async function open(file: Blob, name: string): Promise<void> {
  say(`Reading ${name} …`);
  const read = await api.uploadMotion(file, name);
  const [skeleton, positions] = await api.fetchSkeleton(read.id);
  player.setTakes([], read.inspection?.duration_s ?? 0, 0);
  player.seek(0);
  motion = read;
  takes = [];
  selected = 0;
  selection = null;
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

function radio(group: string, value: number, label: string, note: string, onPick: () => void): HTMLLabelElement {
  const element = document.createElement("label");
  element.className = "choice";
  const button = Object.assign(document.createElement("input"), { type: "radio", name: group, value: String(value) });
  button.addEventListener("change", onPick);
  const small = document.createElement("small");
  small.textContent = note;
  element.append(button, label, small);
  return element;
}

function listReadings(): void {
  const readings = motion?.inspection?.readings ?? [];
  get("reading-list").replaceChildren(
    ...readings.slice(0, 5).map((reading, index) =>
      radio(
        "reading", index + 1, `${reading.bpm.toFixed(1)} bpm, bar at ${firstDownbeat(reading.bar_start_s, { ...reading, first: 0 }).toFixed(2)} s`,
        `${Math.round(reading.probability * 100)} %`,
        () => change({ reading: index + 1, bpm: null, first: null, metre: null }),
      ),
    ),
  );
}

function listTakes(): void {
  const list = takes.map((take, index) => {
    const element = radio("take", index, take.label, take.sound, () => pick(index));
    (element.firstElementChild as HTMLInputElement).checked = index === selected;
    return element;
  });
  const hint = Object.assign(document.createElement("p"), { className: "hint", textContent: "None yet." });
  get("take-list").replaceChildren(...(list.length ? list : [hint]));
  listFiles();
}

function listFiles(extra?: api.Job): void {
  const jobs = [takes[selected]?.job, extra].filter((job): job is api.Job => job !== undefined);
  const stem = takes[selected]?.sound.replace(/\.\w+$/, "");
  const items = jobs.flatMap((job) =>
    job.files
      .filter(({ name }) => job === extra || name.startsWith(`${stem}.`) || name === motion?.name)
      .map(({ name, bytes }) => {
        const item = document.createElement("li"), link = document.createElement("a"), small = document.createElement("small");
        link.href = `${api.fileUrl(job, name)}?download=true`;
        link.textContent = name;
        link.download = name;
        small.textContent = ` ${(bytes / 1e6).toFixed(2)} MB`;
        item.append(link, small);
        return item;
      }),
  );
  const hint = Object.assign(document.createElement("li"), { className: "hint", textContent: "None yet." });
  get("files").replaceChildren(...(items.length ? items : [hint]));
}

function pick(index: number): void {
  selected = index;
  player.select(index);
  listFiles();
}

/** Do a job, with progress and a way to stop it. */
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
      else say(`${what}: ${name || "starting"}${total ? ` ${steps} of ${total}` : ""}${remaining(state)}`);
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

async function makeMusic(): Promise<void> {
  if (!motion?.inspection) return;
  const wanted = make();
  player.loop = wanted.loop;
  const job = await run(generateJob(motion.id, history.now, wanted, motion.inspection.duration_s), "Music");
  if (!job) return;
  const sounds = job.files.map(({ name }) => name).filter((name) => name.endsWith(`.${wanted.format}`));
  sounds.sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
  takes = await Promise.all(sounds.map((name, index) => takeOf(job, name, letter(index))));
  selected = 0;
  useTakes();
  say(takes.length > 1 ? `${takes.length} takes, the best first. Switch while they play.` : "Done.");
}

const letter = (index: number) => `Take ${String.fromCharCode(65 + index)}`;

async function takeOf(job: api.Job, sound: string, label: string): Promise<Take> {
  const buffer = await player.decode(await api.fetchSound(job, sound));
  return { label, job, sound, buffer, peaks: peaksOf(buffer, motion?.inspection?.duration_s ?? buffer.duration) };
}

function useTakes(): void {
  const duration = player.loop ? (takes[selected]?.buffer.duration ?? 0) : (motion?.inspection?.duration_s ?? 0);
  player.setTakes(takes.map(({ buffer }) => buffer), duration, selected);
  listTakes();
  refresh();
}

async function redoSelection(): Promise<void> {
  const take = takes[selected];
  if (!take || !selection) return;
  const seed = Math.floor(Math.random() * 1e6);
  const body = { task: "edit", job: take.job.id, file: take.sound, redo: [selection.start, selection.end], options: { seed } };
  const job = await run(body, "Redo");
  if (!job) return;
  const sound = (job.result as { output: string }).output;
  takes = [...takes, await takeOf(job, sound, `${take.label}, ${selection.start.toFixed(1)} to ${selection.end.toFixed(1)} s anew`)];
  selected = takes.length - 1;
  useTakes();
  say("Done: the rest is as before.");
}

async function makeFilm(): Promise<void> {
  const take = takes[selected];
  if (!take) return;
  const job = await run({ task: "film", job: take.job.id, file: take.sound }, "Film");
  if (!job) return;
  const film = job.files.filter(({ name }) => name.endsWith(".mp4"));
  listFiles({ ...job, files: film });
  say("The film is in the list of files.");
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
  const button = get("tap"), active = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(active));
  taps = [];
  if (active) say("Press Play, then tap the space bar in time; Tap the tempo ends it.");
}

function togglePlay(): void {
  if (player.playing) player.pause();
  else player.play();
}

function setTheme(dark: boolean): void {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  get("theme").setAttribute("aria-pressed", String(dark));
  get("theme").textContent = dark ? "Light" : "Dark";
  stage.setTheme(dark);
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

function connect(): void {
  const on = (id: string, event: string, act: () => unknown) =>
    get(id).addEventListener(event, () => { Promise.resolve().then(act).catch(failed); });
  on("choose", "click", () => input("file").click());
  on("file", "change", () => { const file = input("file").files?.[0]; return file && open(file, file.name); });
  on("example", "click", async () => {
    const reply = await fetch("v1/example");
    const name = /filename="([^"]+)"/.exec(reply.headers.get("content-disposition") ?? "")?.[1] ?? "example.pkl";
    await open(await reply.blob(), name);
  });
  on("make", "click", makeMusic);
  on("stop", "click", () => running && api.stopJob(running));
  on("again", "click", redoSelection);
  on("film", "click", makeFilm);
  on("play", "click", togglePlay);
  on("tap", "click", toggleTap);
  on("clear", "click", () => { selection = null; change({ accents: [], silences: [] }); refresh(); });
  on("undo", "click", () => { history.undo(); refresh(); });
  on("redo", "click", () => { history.redo(); refresh(); });
  on("theme", "click", () => setTheme(document.documentElement.dataset.theme !== "dark"));
  on("genre", "change", () => change({ genre: choice("genre").value }));
  on("genre2", "change", () => change({ genre2: choice("genre2").value }));
  on("energy", "change", () => change({ energy: Number(input("energy").value) }));
  on("bpm", "change", () => change({ bpm: Math.min(300, Math.max(30, Number(input("bpm").value) || 120)) }));
  on("first", "change", () => change({ first: Math.max(0, Number(input("first").value) || 0) }));
  on("metre", "change", () => change({ metre: Number(choice("metre").value) }));
  ["seed", "takes", "format", "loop"].forEach((id) => on(id, "change", refresh));
  document.querySelectorAll<HTMLInputElement>("input[name=tool]").forEach((radio) =>
    radio.addEventListener("change", () => { timeline.tool = radio.value as Tool; }),
  );
  connectKeys();
  connectDrop();
}

function connectKeys(): void {
  document.addEventListener("keydown", (event) => {
    const target = event.target as HTMLElement;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
      event.preventDefault();
      if (event.shiftKey) history.redo(); else history.undo();
      refresh();
    } else if (event.key === " " && !/^(INPUT|SELECT|TEXTAREA|BUTTON|A)$/.test(target.tagName) && motion) {
      event.preventDefault();
      if (get("tap").getAttribute("aria-pressed") === "true") tap();
      else togglePlay();
    } else if (event.key === " " && get("tap").getAttribute("aria-pressed") === "true" && target.id === "tap") {
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
