/** The HTTP API, see docs/http-api.md. Times are seconds. */

export interface Reading { bpm: number; first_beat_s: number; bar_start_s: number; metre: number; probability: number }
export interface Inspection {
  format: string; fps: number; frames: number; duration_s: number; joints: number; note: string;
  motion_beats_s: number[]; bpm: number; first_beat_s: number; bar_start_s: number; metre: number;
  confidence: number; doubt: string; readings: Reading[];
}
export interface Motion { id: string; name: string; files: string[]; bytes: number; status: "reading" | "ready" | "failed"; error: string; inspection: Inspection | null }
export interface Skeleton { joints: string[]; parents: number[]; dancers: number; fps: number; frames: number; mean_joint_speed_m_s: number[] }
export interface JobFile { name: string; bytes: number; media_type: string }
export interface Job {
  id: string; request: Record<string, unknown>; status: "queued" | "running" | "done" | "failed" | "cancelled";
  started: number | null; queue_position: number; progress: { stage: string; done: number; total: number };
  error: string; files: JobFile[]; result: unknown;
}

export interface Model { name: string; settings: { reads_harmony: boolean } }

async function ask<T>(path: string, init?: RequestInit): Promise<T> {
  const reply = await fetch(path, init);
  if (!reply.ok) {
    const problem = await reply.json().catch(() => ({ detail: reply.statusText }));
    throw new Error(String(problem.detail));
  }
  return (await reply.json()) as T;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export async function uploadMotion(file: Blob, name: string): Promise<Motion> {
  return wholly(await ask<Motion>(`v1/motions?name=${encodeURIComponent(name)}`, { method: "POST", body: file }));
}

/** Make motions one group, which is a motion too. */
export async function createGroup(motions: string[]): Promise<Motion> {
  return wholly(await ask<Motion>("v1/groups", post({ motions })));
}

/** A motion once it has been read. */
async function wholly(motion: Motion): Promise<Motion> {
  while (motion.status === "reading") {
    await pause(250);
    motion = await ask<Motion>(`v1/motions/${motion.id}`);
  }
  if (motion.status === "failed") throw new Error(motion.error);
  return motion;
}

export async function fetchSkeleton(id: string): Promise<[Skeleton, Float32Array]> {
  const skeleton = await ask<Skeleton>(`v1/motions/${id}/skeleton`);
  const reply = await fetch(`v1/motions/${id}/positions`);
  return [skeleton, new Float32Array(await reply.arrayBuffer())];
}

const post = (body: object): RequestInit =>
  ({ method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });

/** How a prompt is understood, and what the engine can't do of it. */
export interface PromptReading { summary: string; unknown: string[]; not_followed: string[]; matches_words: boolean }

export const readPrompt = (text: string, engine: string, model: string) =>
  ask<PromptReading>("v1/prompts", post({ text, engine, model }));

export const fetchGenres = () => ask<{ code: string; name: string }[]>("v1/genres");

/** The models that a job may name. */
export const fetchModels = () => ask<Model[]>("v1/models");

export const createJob = (body: object) => ask<Job>("v1/jobs", post(body));

export const stopJob = (id: string) => ask<Job>(`v1/jobs/${id}`, { method: "DELETE" });

/** Follow a job until it ends. */
export function followJob(id: string, onChange: (job: Job) => void): Promise<Job> {
  return new Promise((resolve, reject) => {
    const events = new EventSource(`v1/jobs/${id}/events`);
    let failures = 0;
    events.onmessage = (message) => {
      failures = 0;
      const job = JSON.parse(message.data) as Job;
      onChange(job);
      if (["done", "failed", "cancelled"].includes(job.status)) {
        events.close();
        if (job.status === "failed") reject(new Error(job.error));
        else resolve(job);
      }
    };
    // The browser connects again by itself; the server may be restarting.
    events.onerror = () => {
      failures += 1;
      if (failures > 10) { events.close(); reject(new Error("the server does not answer")); }
    };
  });
}

export const fileUrl = (job: Job, name: string) => `v1/jobs/${job.id}/files/${encodeURIComponent(name)}`;

export async function fetchSound(job: Job, name: string): Promise<ArrayBuffer> {
  const reply = await fetch(fileUrl(job, name));
  if (!reply.ok) throw new Error(`${name}: ${reply.statusText}`);
  return reply.arrayBuffer();
}
