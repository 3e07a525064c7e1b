/** Dances on the page, each with its own settings and takes; several can be one group. */

import * as api from "./api";
import { History } from "./history";
import type { Take } from "./takes";

export interface Dance {
  motion: api.Motion; skeleton: api.Skeleton; positions: Float32Array;
  history: History; takes: Take[]; selected: number;
}

/** As many dancers as the API takes in one group. */
export const MOST_DANCERS = 8;

async function danceOf(motion: api.Motion): Promise<Dance> {
  const [skeleton, positions] = await api.fetchSkeleton(motion.id);
  return { motion, skeleton, positions, history: new History(), takes: [], selected: 0 };
}

export const uploadDance = async (file: Blob, name: string): Promise<Dance> => danceOf(await api.uploadMotion(file, name));

export const groupOf = async (dances: Dance[]): Promise<Dance> => danceOf(await api.createGroup(dances.map(({ motion }) => motion.id)));

export const isGroup = ({ motion }: Dance): boolean => motion.files.length > 1;
