/** The fields of the settings, filled in from the history and written to it. */

import * as api from "./api";
import { choice, fill, get, input } from "./dom";
import type { Engine } from "./history";
import { on } from "./page";
import { connectPrompt, showPrompt } from "./prompt";
import { readsHarmony } from "./request";
import { barLength, changed, duration, grid, set, state } from "./state";

const LOOP_BARS = [1, 2, 4, 8, 16, 32];
const ROOTS = ["C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"];

export function showSettings(): void {
  const { now } = state.history;
  if (state.dance) showGrid();
  choice("engine").value = now.engine;
  choice("genre").value = now.genre;
  choice("genre2").value = now.genre2;
  showPrompt();
  choice("key").value = now.key;
  fill("chords", now.chords);
  get("harmony").hidden = !readsHarmony(now, state.model);
  input("energy").value = String(now.energy);
  get("energy-value").textContent = now.energy.toFixed(2);
  showLoops();
  document.querySelectorAll<HTMLInputElement>("input[name=reading]").forEach((control) => {
    control.checked = Number(control.value) === now.reading && now.bpm === null;
  });
}

function showGrid(): void {
  const shown = grid();
  fill("bpm", shown.bpm.toFixed(1));
  fill("first", shown.first.toFixed(2));
  choice("metre").value = String(shown.metre);
}

function showLoops(): void {
  const { loopBars } = state.history.now;
  const bars = LOOP_BARS.filter((count) => count * barLength() <= duration() + 1e-6 || count === loopBars);
  choice("loop").replaceChildren(
    new Option("none", ""), new Option("the whole dance", "0"),
    ...bars.map((count) => new Option(count === 1 ? "1 bar" : `${count} bars`, String(count))),
  );
  choice("loop").value = loopBars === null ? "" : String(loopBars);
}

/** Fill the lists with what the server knows: the first of its models, and the genres. */
export async function listChoices(): Promise<void> {
  const names = ["major", "minor"].flatMap((mode) => ROOTS.map((root) => `${root} ${mode}`));
  choice("key").replaceChildren(new Option("automatic", ""), ...names.map((name) => new Option(name, name)));
  const [genres, [model]] = await Promise.all([api.fetchGenres(), api.fetchModels()]);
  const options = (empty: string) => [new Option(empty, ""), ...genres.map(({ name }) => new Option(name, name))];
  choice("genre").replaceChildren(...options("automatic"));
  choice("genre2").replaceChildren(...options("the same"));
  if (model) state.model = { name: model.name, readsHarmony: model.settings.reads_harmony };
}

const number = (id: string) => Number(input(id).value);
const clamp = (value: number, least: number, most: number) => Math.min(most, Math.max(least, value));

export function connectSettings(): void {
  on("engine", "change", () => set({ engine: choice("engine").value as Engine }));
  on("genre", "change", () => set({ genre: choice("genre").value }));
  on("genre2", "change", () => set({ genre2: choice("genre2").value }));
  connectPrompt();
  on("key", "change", () => set({ key: choice("key").value }));
  on("chords", "change", () => set({ chords: input("chords").value.trim() }));
  on("energy", "change", () => set({ energy: number("energy") }));
  on("loop", "change", () => set({ loopBars: choice("loop").value === "" ? null : Number(choice("loop").value) }));
  on("bpm", "change", () => set({ bpm: clamp(number("bpm") || 120, 30, 300) }));
  on("first", "change", () => set({ first: Math.max(0, number("first") || 0) }));
  on("metre", "change", () => set({ metre: Number(choice("metre").value) }));
  ["seed", "takes", "format", "stems", "notes", "layers", "pack"].forEach((id) => on(id, "change", changed));
}
