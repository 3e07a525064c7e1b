/** The takes of the dance that is shown, side by side, and the files of the chosen one. */

import * as api from "./api";
import { fileItem, get, hint, radio, small } from "./dom";
import { updateLoop } from "./editor";
import { player } from "./page";
import { changed, duration, state, take } from "./state";
import { thumbnail, type Take } from "./takes";

export function listTakes(): void {
  const list = (state.dance?.takes ?? []).map((one, index) => {
    const element = radio("take", index, one.label, () => pick(index), thumbnail(one), small(one.note));
    (element.firstElementChild as HTMLInputElement).checked = index === state.dance?.selected;
    return element;
  });
  get("take-list").replaceChildren(...(list.length ? list : [hint("p", "None yet.")]));
  listFiles();
}

export function listFiles(): void {
  const items = (take()?.files ?? []).map(({ name, bytes, job }) => fileItem(name, bytes, api.fileUrl(job, name)));
  get("files").replaceChildren(...(items.length ? items : [hint("li", "None yet.")]));
}

function pick(index: number): void {
  const before = take();
  if (state.dance) state.dance.selected = index;
  // Takes of one length run in step; a loop of another length begins anew.
  if (before && lengthOf(before) !== lengthOf(take() ?? before)) { useTakes(); return; }
  player.select(index);
  updateLoop();
  listFiles();
  changed();
}

const lengthOf = ({ loops, buffer }: Take) => (loops ? buffer.duration : duration());

/** Play the takes of the dance from now on. */
export function useTakes(): void {
  const current = take(), takes = state.dance?.takes ?? [];
  player.setTakes(takes.map(({ buffer }) => buffer), current ? lengthOf(current) : duration(), state.dance?.selected ?? 0);
  updateLoop();
  listTakes();
  changed();
}
