/** What a user has set, with undo and redo. Seconds. */

export interface Span { start: number; end: number }
/** A stretch whose energy is drawn: a factor on that of the body. */
export interface Effort extends Span { energy: number }
export type Engine = "diffusion" | "composer";
export interface Settings {
  reading: number; bpm: number | null; first: number | null; metre: number | null;
  engine: Engine; genre: string; genre2: string; prompt: string; key: string; chords: string;
  /** Bars of a loop; 0 is all of the dance, null no loop. */
  loopBars: number | null;
  energy: number; curve: Effort[]; accents: number[]; silences: Span[];
}

export const initial: Settings = {
  reading: 1, bpm: null, first: null, metre: null, engine: "diffusion", genre: "", genre2: "", prompt: "", key: "", chords: "",
  loopBars: null, energy: 1, curve: [], accents: [], silences: [],
};

export class History {
  private past: Settings[] = [];
  private future: Settings[] = [];
  now: Settings = initial;

  /** Change some settings; equal settings are no step. */
  set(change: Partial<Settings>): boolean {
    const next = { ...this.now, ...change };
    if (JSON.stringify(next) === JSON.stringify(this.now)) return false;
    this.past.push(this.now);
    this.now = next;
    this.future = [];
    return true;
  }

  undo(): void {
    const before = this.past.pop();
    if (before) { this.future.push(this.now); this.now = before; }
  }

  redo(): void {
    const after = this.future.pop();
    if (after) { this.past.push(this.now); this.now = after; }
  }

  get canUndo(): boolean { return this.past.length > 0; }
  get canRedo(): boolean { return this.future.length > 0; }
}
