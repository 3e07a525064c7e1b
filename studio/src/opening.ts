/** Files that are dropped or opened become dances; one of them, or all as a group, is shown. */

import { groupOf, isGroup, MOST_DANCERS, uploadDance, type Dance } from "./dances";
import { get, input, isPressed, press, radio } from "./dom";
import { failed, on, player, say, stage } from "./page";
import { listReadings } from "./readings";
import { changed, state } from "./state";
import { listTakes, useTakes } from "./take_list";

/** Read files; several can then be one group. */
async function open(files: File[]): Promise<void> {
  if (!files.length) return;
  const read: Dance[] = [];
  for (const file of files) {
    say(`Reading ${file.name} …`);
    read.push(await uploadDance(file, file.name));
  }
  state.dances = read;
  listDances();
  const [first] = read;
  if (first) show(first);
  if (read.length > 1) say(`${read.length} dances. Choose one, or all as one group.`);
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

/** The dances that were dropped, and all of them as one group. */
function listDances(): void {
  const alone = state.dances.filter((one) => !isGroup(one));
  get("dances").hidden = alone.length < 2;
  const rows = alone.map((one, index) => radio("dance", index, one.motion.name, () => show(one)));
  if (alone.length > 1 && alone.length <= MOST_DANCERS) rows.push(radio("dance", alone.length, "All as one group", showGroup));
  const first = rows[0]?.firstElementChild as HTMLInputElement | null;
  if (first) first.checked = true;
  get("dance-list").replaceChildren(...rows);
}

function showGroup(): void {
  const known = state.dances.find(isGroup);
  if (known) { show(known); return; }
  say("Reading the group …");
  groupOf(state.dances).then((group) => { state.dances.push(group); show(group); }).catch(failed);
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
  on("file", "change", () => open([...(input("file").files ?? [])]));
  on("example", "click", openExample);
  on("apart", "click", toggleApart);
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
