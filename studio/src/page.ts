/** The parts of the page that live on: the sound, the picture, the jobs, and the line that says what goes on. */

import { get } from "./dom";
import { Jobs } from "./jobs";
import { Player } from "./player";
import { Stage } from "./stage";
import { changed } from "./state";

export const player = new Player();
export const stage = new Stage(get<HTMLCanvasElement>("view"));
export const jobs = new Jobs(say, changed);

export function say(text: string, isError = false): void {
  const status = get("status");
  status.textContent = text;
  status.classList.toggle("error", isError);
}

export const failed = (error: unknown) => say(error instanceof Error ? error.message : String(error), true);

/** Do something on an event of an element; what fails is said. */
export const on = (id: string, event: string, act: () => unknown) =>
  get(id).addEventListener(event, () => { Promise.resolve().then(act).catch(failed); });
