/** The page: its parts are connected, and shown anew with every change and every frame. */

import "./style.css";
import { button, get, isPressed, press, write } from "./dom";
import { connectEditor, drawTimeline, touchTimeline } from "./editor";
import { connectMaking, showActions } from "./making";
import { connectMetronome } from "./metronome";
import { connectOpening } from "./opening";
import { failed, on, player, stage } from "./page";
import { connectReadings, tap } from "./readings";
import { connectSettings, listChoices, showSettings } from "./settings";
import { changed, onChange, redo, state, undo } from "./state";
import { listTakes } from "./take_list";

// Where the space bar belongs to the element that has the focus.
const TYPING = /^(INPUT|SELECT|TEXTAREA|BUTTON|A|SUMMARY)$/;

/** Show the state everywhere but on the canvases, which are drawn all the time. */
function refresh(): void {
  button("undo").disabled = !state.history.canUndo;
  button("redo").disabled = !state.history.canRedo;
  button("play").disabled = button("click").disabled = get("legend").hidden = !state.dance;
  showSettings();
  showActions();
}

function togglePlay(): void {
  if (player.playing) player.pause();
  else player.play();
}

function setTheme(dark: boolean): void {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  press("theme", dark);
  stage.setTheme(dark);
  touchTimeline();
  listTakes();
}

function frame(): void {
  if (player.ended) player.pause();
  const time = player.position;
  const last = state.beats.findLast((beat) => beat.time <= time + 1e-3);
  const since = last ? time - last.time : Infinity;
  stage.draw(time, Math.exp(-since * 7), last?.inBar === 1);
  write("counter", last && last.bar >= 1 ? `${last.bar}.${last.inBar}` : "");
  write("clock", `${time.toFixed(1)} / ${player.duration.toFixed(1)} s`);
  write("play", player.playing ? "Pause" : "Play");
  drawTimeline();
  requestAnimationFrame(frame);
}

function connectKeys(): void {
  document.addEventListener("keydown", (event) => {
    const { tagName, id } = event.target as HTMLElement;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
      event.preventDefault();
      if (event.shiftKey) redo(); else undo();
      return;
    }
    // The button has the focus after it was pressed; the space bar taps, Enter ends it.
    const taps = isPressed("tap") && (id === "tap" || !TYPING.test(tagName));
    if (event.key !== " " || !state.dance || (!taps && TYPING.test(tagName))) return;
    event.preventDefault();
    if (taps) tap();
    else togglePlay();
  });
}

/** What the keys do with the view: a turn about the dancers, one upwards, a change of distance. */
const TURNS: Record<string, [number, number, number]> = {
  ArrowLeft: [-0.15, 0, 1], ArrowRight: [0.15, 0, 1], ArrowUp: [0, 0.1, 1], ArrowDown: [0, -0.1, 1],
  "+": [0, 0, 0.9], "-": [0, 0, 1.1],
};

function connectView(): void {
  get("view").addEventListener("keydown", (event) => {
    const turn = TURNS[event.key];
    if (!turn || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    stage.turn(...turn);
  });
}

function connect(): void {
  connectOpening();
  connectReadings();
  connectSettings();
  connectMaking();
  connectEditor();
  connectMetronome();
  connectKeys();
  connectView();
  on("play", "click", togglePlay);
  on("undo", "click", undo);
  on("redo", "click", redo);
  on("theme", "click", () => setTheme(!isPressed("theme")));
  onChange(refresh);
}

async function begin(): Promise<void> {
  // First, so that a file dropped at once is taken.
  connect();
  setTheme(window.matchMedia("(prefers-color-scheme: dark)").matches);
  requestAnimationFrame(frame);
  await listChoices();
  changed();
}

// For tests: what is heard and what is shown.
Object.assign(window, { kinetune: { player, stage, get history() { return state.history; } } });
begin().catch(failed);
