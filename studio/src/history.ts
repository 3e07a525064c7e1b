/** What a user has set, with undo and redo. */

export interface Span { start: number; end: number }
export interface Settings {
  reading: number; bpm: number | null; first: number | null; metre: number | null;
  genre: string; genre2: string; energy: number; accents: number[]; silences: Span[];
}

export const initial: Settings = {
  reading: 1, bpm: null, first: null, metre: null, genre: "", genre2: "", energy: 1, accents: [], silences: [],
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

  reset(): void { this.past = []; this.future = []; this.now = initial; }
  get canUndo(): boolean { return this.past.length > 0; }
  get canRedo(): boolean { return this.future.length > 0; }
}
