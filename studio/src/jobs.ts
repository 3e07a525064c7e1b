/** One job at a time, with its progress shown and a way to stop it. */

import * as api from "./api";
import { get } from "./dom";

export class Jobs {
  private running: string | null = null;
  // From the click on, so that a second one starts no second job.
  private free = true;
  // Where a stage stood when it was seen first, for the time it still takes; milliseconds.
  private first = { stage: "", done: 0, at: 0 };

  constructor(private readonly say: (text: string) => void, private readonly onChange: () => void) {}

  get isFree(): boolean { return this.free; }

  stop(): Promise<unknown> { return this.running ? api.stopJob(this.running) : Promise.resolve(); }

  /** Do a job; null if it was stopped. */
  async run(body: object, what: string): Promise<api.Job | null> {
    this.setFree(false);
    this.first = { stage: "", done: 0, at: 0 };
    try {
      const job = await api.createJob(body);
      this.running = job.id;
      const done = await api.followJob(job.id, (state) => this.show(state, what));
      if (done.status === "done") return done;
      this.say("Stopped.");
      return null;
    } finally {
      this.running = null;
      this.setFree(true);
    }
  }

  private setFree(free: boolean): void {
    this.free = free;
    this.onChange();
  }

  private show(state: api.Job, what: string): void {
    const { stage, done, total } = state.progress, bar = get<HTMLProgressElement>("progress");
    if (total) bar.value = done / total;
    else bar.removeAttribute("value");
    if (state.status === "queued") this.say(`${what}: waiting, ${state.queue_position} before it`);
    else this.say(`${what}: ${stage || "starting"}${total ? ` ${Math.floor((100 * done) / total)} %` : ""}${this.remaining(state.progress)}`);
  }

  /** The time that a stage still takes at the speed so far; nothing until that is known. */
  private remaining({ stage, done, total }: api.Job["progress"]): string {
    const { first } = this, now = performance.now();
    if (stage !== first.stage || done < first.done) this.first = { stage, done, at: now };
    if (done <= this.first.done || done >= total) return "";
    const seconds = ((now - this.first.at) * (total - done)) / (done - this.first.done) / 1000;
    return `, ${Math.max(1, Math.round(seconds))} s left`;
  }
}
