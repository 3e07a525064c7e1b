/** The prompt: set as it stands on one line, with what the server understands of it under the field. */

import * as api from "./api";
import { fill, get } from "./dom";
import { on } from "./page";
import { set, state } from "./state";

// What the line under the field is about: a reply that comes after another change is dropped.
let latest = "";

/** Show the prompt, and have it read anew if it or the engine has changed. */
export function showPrompt(): void {
  const { prompt, engine } = state.history.now, question = JSON.stringify([prompt, engine, state.model.name]);
  fill("prompt", prompt);
  if (question === latest) return;
  latest = question;
  if (!prompt) { tell(""); return; }
  api.readPrompt(prompt, engine, state.model.name)
    .then((reading) => { if (question === latest) tell(sentence(reading)); })
    .catch((error: unknown) => { if (question === latest) tell(error instanceof Error ? error.message : String(error), true); });
}

function tell(text: string, isError = false): void {
  const line = get("prompt-reading");
  line.textContent = text;
  line.classList.toggle("error", isError);
  get("prompt").setAttribute("aria-invalid", String(isError));
}

function sentence({ summary, unknown, not_followed: rest, matches_words: matches }: api.PromptReading): string {
  const parts = [capital(summary)];
  if (rest.length) {
    const { engine } = state.history.now;
    parts.push(engine === "diffusion" ? `The model does not follow: ${rest.join(", ")}. The engine Composer does` : `The composer does not follow: ${rest.join(", ")}`);
  }
  if (unknown.length && !matches) parts.push('More words are understood after pip install "kinetune[text]"');
  return `${parts.join(". ")}.`;
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

export function connectPrompt(): void {
  const field = get<HTMLTextAreaElement>("prompt");
  const read = () => set({ prompt: field.value.trim().replace(/\s+/g, " ") });
  on("prompt", "change", read);
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    read();
  });
}
