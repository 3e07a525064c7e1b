/** Files that are dropped or opened become dances; one of them, or all as a group, is shown. */

import { groupOf, isGroup, MOST_DANCERS, uploadDance, type Dance } from "./dances";
import { get, input, isPressed, press, radio } from "./dom";
import { failed, on, player, say, stage } from "./page";
import { listReadings } from "./readings";
import { changed, state } from "./state";
import { listTakes, useTakes } from "./take_list";

// The dances that were opened last, and what is listed; a group has no dance until it was shown.
let together: Dance[] = [];
let rows: { dance: Dance | null; label: string; act: () => void }[] = [];

/** Read files; several can then be one group. What was opened before stays. */
async function open(files: File[]): Promise<void> {
  if (!files.length) return;
  const read: Dance[] = [];
  for (const file of files) {
    say(`Reading ${file.name} …`);
    read.push(await uploadDance(file, file.name));
  }
  state.dances.push(...read);
  together = read;
  listDances();
  const [first] = read;
  if (first) show(first);
  if (read.length > 1) say(`${read.length} dances. Choose one, or all as one group.`);
}

/** Read the files of the file dialog; the same ones can be chosen again. */
async function openChosen(): Promise<void> {
  const files = [...(input("file").files ?? [])];
  input("file").value = "";
  await open(files);
}

/** Show a dance with its own settings and takes. */
function show(dance: Dance): void {
  player.setLoop(null);
  player.setTakes([], dance.motion.inspection?.duration_s ?? 0, 0);
  player.seek(0);
  Object.assign(state, { dance, history: dance.history, selection: null });
  press("loop-region", false);
  stage.load(dance.skeleton, dance.positions);
  get("apart").hidden = !isGroup(dance);
  press("apart", stage.apart);
  get("drop").classList.add("away");
  markDance();
  listReadings();
  if (dance.takes.length) useTakes();
  else listTakes();
  describe(dance);
  changed();
}

function describe({ motion: { name, inspection: found } }: Dance): void {
  get("name").textContent = found ? `${name}: ${found.format}, ${found.duration_s.toFixed(1)} s` : name;
  const reason = found?.doubt && found.doubt !== "unsure" ? ` (${found.doubt})` : "";
  say(found?.doubt ? `Ready. The beat is uncertain${reason}: listen, and choose another reading if it is off.` : "Ready. Press Make music.");
}

/** The dances on the page, and those that were opened last as one group. */
function listDances(): void {
  const { dances } = state, { length: count } = together;
  rows = dances.map((one) => ({ dance: one, label: one.motion.name, act: () => show(one) }));
  if (count > 1 && count <= MOST_DANCERS) {
    rows.push({ dance: null, label: count === dances.length ? "All as one group" : `The last ${count} as one group`, act: showGroup });
  }
  get("dances").hidden = rows.length < 2;
  get("dance-list").replaceChildren(...rows.map(({ label, act }, index) => radio("dance", index, label, act)));
}

/** Mark the dance that is shown; the list stays, and with it the focus. */
function markDance(): void {
  document.querySelectorAll<HTMLInputElement>("input[name=dance]").forEach((control, index) => {
    control.checked = rows[index]?.dance === state.dance;
  });
}

function showGroup(): void {
  const row = rows.at(-1);
  if (row?.dance) { show(row.dance); return; }
  say("Reading the group …");
  groupOf(together).then((group) => {
    state.dances.push(group);
    if (row) row.dance = group;
    show(group);
  }).catch(failed);
}

/** Ask before the page is left with takes that can't be found again. */
function askBeforeLeaving(event: BeforeUnloadEvent): void {
  if (state.dances.some(({ takes }) => takes.length)) event.preventDefault();
}

function toggleApart(): void {
  press("apart", !isPressed("apart"));
  stage.setApart(isPressed("apart"));
}

async function openExample(): Promise<void> {
  const reply = await fetch("v1/example");
  const name = /filename="([^"]+)"/.exec(reply.headers.get("content-disposition") ?? "")?.[1] ?? "example.pkl";
  await open([new File([await reply.blob()], name)]);
}

export function connectOpening(): void {
  on("choose", "click", () => input("file").click());
  on("open", "click", () => input("file").click());
  on("file", "change", openChosen);
  on("example", "click", openExample);
  on("apart", "click", toggleApart);
  window.addEventListener("beforeunload", askBeforeLeaving);
  connectDrop();
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
