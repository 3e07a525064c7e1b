/** Takes: finished pieces with their sound, their files, and a picture of their loudness. */

import * as api from "./api";
import type { Settings } from "./history";
import { peaksOf } from "./timeline";

/** A file of a take, wherever it was made. */
export interface TakeFile extends api.JobFile { job: api.Job }
export interface Take {
  /** Counts what was made of the dance, from 0; a change has that of what it changed. */
  index: number;
  label: string; note: string; job: api.Job; sound: string; composed: boolean; loops: boolean;
  /** Sections of a composed piece: start, seconds, and name. */
  form: [number, string][];
  buffer: AudioBuffer; peaks: Float32Array; files: TakeFile[];
  /** What was set when it was made, with what was added since, and the commands that make it. */
  settings: Settings; commands: string[];
}

interface Piece {
  output: string; bpm: number; scores: { total: number } | null; composed: { key: string; form: [number, string][] } | null;
  /** Of a model that reads key and chords. */
  harmony: { key: string } | null;
}

// A to Z, then A2 to Z2 and so on.
const letter = (index: number) => `Take ${String.fromCharCode(65 + (index % 26))}${index < 26 ? "" : Math.floor(index / 26) + 1}`;
const stemOf = (name: string) => name.replace(/\.\w+$/, "");

type Decode = (data: ArrayBuffer) => Promise<AudioBuffer>;

/** How a take came about. */
export type Made = Pick<Take, "settings" | "commands">;

/** The takes of a job that generated music, best first; lettered after those that are there. */
export async function takesOf(job: api.Job, made: Made, there: Take[], duration: number, decode: Decode): Promise<Take[]> {
  const first = 1 + Math.max(-1, ...there.map(({ index }) => index));
  const { pieces } = job.result as { pieces: Piece[] };
  const loops = Boolean((job.request.options as { loop?: boolean }).loop);
  return Promise.all(pieces.map((piece, index) => {
    const score = piece.scores ? `follows the body ${piece.scores.total.toFixed(2)}` : "";
    const note = [(piece.composed ?? piece.harmony)?.key, `${piece.bpm.toFixed(1)} bpm`, score].filter(Boolean).join(", ");
    const about = { index: first + index, label: letter(first + index), note, composed: piece.composed !== null, loops, form: piece.composed?.form ?? [], ...made };
    return takeOf(job, piece.output, about, duration, decode);
  }));
}

/** The take of a job that changed another take. */
export function editedTake(from: Take, job: api.Job, what: string, made: Made, duration: number, decode: Decode): Promise<Take> {
  const { output } = job.result as { output: string };
  return takeOf(job, output, { ...from, ...made, label: `${from.label}, ${what}`, note: "" }, duration, decode);
}

type About = Pick<Take, "index" | "label" | "note" | "composed" | "loops" | "form" | keyof Made>;

async function takeOf(job: api.Job, sound: string, about: About, duration: number, decode: Decode): Promise<Take> {
  const buffer = await decode(await api.fetchSound(job, sound));
  const motion = /\.(bvh|glb|gltf|fbx|vrma?|pkl|npz|npy)$/i;
  const files = job.files.filter(({ name }) => name.startsWith(`${stemOf(sound)}.`) || motion.test(name)).map((file) => ({ ...file, job }));
  return { ...about, job, sound, buffer, peaks: peaksOf(buffer, duration), files };
}

/** Add what a further job made of a take, and return the names; its sound and its recipe stay. */
export function addFiles(take: Take, job: api.Job): string[] {
  const stem = stemOf(take.sound), known = new Map(take.files.map((file) => [file.name, file]));
  const made = job.files.filter(({ name }) => name.startsWith(stem) && ![take.sound, `${stem}.json`].includes(name));
  made.forEach((file) => known.set(file.name, { ...file, job }));
  take.files = [...known.values()];
  return made.map(({ name }) => name);
}

/** A small picture of a take's loudness. */
export function thumbnail(take: Take): HTMLCanvasElement {
  const canvas = Object.assign(document.createElement("canvas"), { width: 120, height: 28, className: "thumbnail" });
  canvas.setAttribute("aria-hidden", "true");
  const pen = canvas.getContext("2d");
  if (!pen) return canvas;
  pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--energy");
  const step = take.peaks.length / canvas.width;
  for (let x = 0; x < canvas.width; x++) {
    const most = Math.max(...take.peaks.subarray(Math.floor(x * step), Math.max(Math.floor((x + 1) * step), Math.floor(x * step) + 1)));
    pen.fillRect(x, (canvas.height * (1 - most)) / 2, 1, Math.max(1, canvas.height * most));
  }
  return canvas;
}
