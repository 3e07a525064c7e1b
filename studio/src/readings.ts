/** The beats of the dance: its readings, and the tempo that the user taps. Seconds, beats a minute. */

import { firstDownbeat, tempoOfTaps } from "./beats";
import { get, isPressed, press, radio, small } from "./dom";
import { on, player, say } from "./page";
import { grid, inspection, set } from "./state";

// Taps further apart than this begin anew.
const PAUSE_S = 2.5;
let taps: number[] = [];

export function listReadings(): void {
  const readings = inspection()?.readings ?? [];
  get("reading-list").replaceChildren(
    ...readings.slice(0, 5).map((reading, index) =>
      radio(
        "reading", index + 1,
        `${reading.bpm.toFixed(1)} bpm, bar at ${firstDownbeat(reading.bar_start_s, { ...reading, first: 0 }).toFixed(2)} s`,
        () => set({ reading: index + 1, bpm: null, first: null, metre: null }),
        small(`${Math.round(reading.probability * 100)} %`),
      ),
    ),
  );
}

export function tap(): void {
  const now = player.playing ? player.position : performance.now() / 1000;
  if (taps.length && Math.abs(now - (taps.at(-1) ?? 0)) > PAUSE_S) taps = [];
  taps.push(now);
  const tempo = tempoOfTaps(taps);
  if (!tempo) { say(`Tap ${4 - taps.length} more times.`); return; }
  const bpm = Number(Math.min(300, Math.max(30, tempo.bpm)).toFixed(1));
  // Only taps along with the dance say where the beat is.
  set(player.playing ? { bpm, first: firstDownbeat(tempo.phase, { ...grid(), bpm }) } : { bpm });
  say(`${bpm} bpm from ${taps.length} taps`);
}

function toggleTap(): void {
  press("tap", !isPressed("tap"));
  taps = [];
  if (isPressed("tap")) say("Press Play, then tap the space bar in time; Tap the tempo ends it.");
}

export function connectReadings(): void {
  on("tap", "click", toggleTap);
  // The space bar taps while the button has the focus; it does not press it.
  get("tap").addEventListener("keyup", (event) => { if (event.key === " ") event.preventDefault(); });
}
