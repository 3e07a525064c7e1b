/** Elements of the page by their id, and small ones made here. */

export const get = <T extends HTMLElement>(id: string): T => {
  const element = document.getElementById(id);
  if (!element) throw new Error(`no element ${id}`);
  return element as T;
};
export const input = (id: string) => get<HTMLInputElement>(id);
export const choice = (id: string) => get<HTMLSelectElement>(id);
export const button = (id: string) => get<HTMLButtonElement>(id);

/** Show a text; one that stands there already is left alone, so that nothing is laid out anew. */
export function write(id: string, text: string): void {
  const element = get(id);
  if (element.textContent !== text) element.textContent = text;
}

/** Fill in a field, unless the user is writing in it. */
export function fill(id: string, value: string): void {
  if (document.activeElement !== get(id)) input(id).value = value;
}

export const isPressed = (id: string) => get(id).getAttribute("aria-pressed") === "true";
export const press = (id: string, pressed: boolean) => get(id).setAttribute("aria-pressed", String(pressed));

export function hint(tag: "p" | "li", textContent: string): HTMLElement {
  return Object.assign(document.createElement(tag), { className: "hint", textContent });
}

/** A radio button with its label and what follows it. */
export function radio(group: string, value: number, label: string, onPick: () => void, ...rest: Node[]): HTMLLabelElement {
  const element = document.createElement("label");
  element.className = "choice";
  const control = Object.assign(document.createElement("input"), { type: "radio", name: group, value: String(value) });
  control.addEventListener("change", onPick);
  element.append(control, label, ...rest);
  return element;
}

export const small = (textContent: string) => Object.assign(document.createElement("small"), { textContent });

// What a file is, by the end of its name; the first that fits.
const KINDS: [RegExp, string][] = [
  [/\.(wav|flac|ogg|mp3)$/, "sound"], [/\.beats\.\w+$/, "beat map"], [/\.mid$/, "MIDI"], [/\.chords\.txt$/, "chords"],
  [/\.json$/, "recipe"], [/-(stems|layers)\.zip$/, ""], [/\.zip$/, "pack"], [/\.mp4$/, "film"], [/\.(bvh|glb|gltf|fbx|vrma?|pkl|npz|npy)$/i, "dance"],
];

/** A link that saves a file. */
export function fileItem(name: string, bytes: number, url: string): HTMLLIElement {
  const item = document.createElement("li"), link = document.createElement("a");
  Object.assign(link, { href: `${url}?download=true`, textContent: name, download: name });
  const kind = KINDS.find(([end]) => end.test(name))?.[1], size = bytes < 1e5 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
  item.append(link, small([kind, size].filter(Boolean).join(", ")));
  return item;
}
