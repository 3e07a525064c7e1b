/** A click on every beat: until there is music, or as the user wishes. Seconds. */

import { clickTrack } from "./beats";
import { isPressed, press } from "./dom";
import { on, player } from "./page";
import { onChange, state, take } from "./state";

// What the user chose; null clicks until there is music.
let wanted: boolean | null = null;
// What the clicks that are heard were made of.
let heard = "null";

/** Bring the click in step with the beats; not while they are dragged. */
function follow(): void {
  const { beats, dance, shift } = state, { duration } = player;
  const clicks = dance !== null && (wanted ?? !take());
  press("click", clicks);
  const now = JSON.stringify(clicks && [duration, beats.map(({ time, inBar }) => [time, inBar])]);
  if (shift || now === heard) return;
  heard = now;
  player.setClick(clicks ? (rate) => clickTrack(beats, duration, rate) : null);
}

export function toggleClick(): void {
  wanted = !isPressed("click");
  follow();
}

export function connectMetronome(): void {
  on("click", "click", toggleClick);
  onChange(follow);
}
