/** What a thread or another machine is asked: some points of a study. It can be sent anywhere. */
import type { GridPoint } from '../../study/index.ts';

export interface Task {
  readonly study: string;
  readonly points: readonly GridPoint[];
  readonly seed: number;
}
