/** Where the time went: for each kind of task that has ended the sum of each milestone, which add up to the time of the tasks to the picosecond. */
import { formatTime, type Instant, MILESTONES, type Milestone } from '../../hardware/sim/index.ts';
import type { OpenTask, TaskListener } from './tasks.ts';

/** All milestones, from a device on its way to memory and back, and then software's. */
export const MILESTONE_NAMES = Object.keys(MILESTONES) as readonly Milestone[];

/** Tasks of one kind, as plain data; times in picoseconds. */
export interface KindShare {
  readonly kind: string;
  readonly count: number;
  readonly total: number;
  readonly longest: number;
  /** By milestone, those with any time, the largest first; they add up to `total`. */
  readonly milestones: Readonly<Partial<Record<Milestone, number>>>;
}

class Sums {
  count = 0;
  total = 0;
  longest = 0;
  readonly milestones = new Map<Milestone, number>();

  add(what: Milestone, duration: number): void {
    this.milestones.set(what, (this.milestones.get(what) ?? 0) + duration);
  }
}

export class Shares implements TaskListener {
  readonly #kinds = new Map<string, Sums>();
  /** Of tasks that have not ended: what they have waited for so far. */
  readonly #open = new Map<number, [Milestone, number][]>();

  began({ id }: OpenTask): void {
    this.#open.set(id, []);
  }

  waited({ id }: OpenTask, what: Milestone, since: number, at: number): void {
    const waits = this.#open.get(id)!;
    const same = waits.find(([other]) => other === what);
    if (same === undefined) waits.push([what, at - since]);
    else same[1] += at - since;
  }

  moved(): void {}

  ended({ id, kind, at: from }: OpenTask, at: number, isCut: boolean): void {
    const waits = this.#open.get(id)!;
    this.#open.delete(id);
    if (isCut) return;
    const sums = this.#kinds.get(kind) ?? new Sums();
    this.#kinds.set(kind, sums);
    const took = at - from;
    sums.count++;
    sums.total += took;
    sums.longest = Math.max(sums.longest, took);
    for (const [what, duration] of waits) sums.add(what, duration);
  }

  /** The run first, then the kinds by what they took together. */
  get kinds(): readonly KindShare[] {
    const kinds = [...this.#kinds].map(([kind, { count, total, longest, milestones }]) => {
      const sorted = [...milestones].sort(([, a], [, b]) => b - a);
      return { kind, count, total, longest, milestones: Object.fromEntries(sorted) };
    });
    const rank = ({ kind, total }: KindShare): number => (kind === 'run' ? Infinity : total);
    return kinds.sort((a, b) => rank(b) - rank(a));
  }
}

/** The table as lines of text. */
export function sharesText(kinds: readonly KindShare[]): string[] {
  const time = (picoseconds: number): string => formatTime(picoseconds as Instant).padStart(15);
  return kinds.flatMap(({ kind, count, total, longest, milestones }) => [
    `${kind.padEnd(24)}${time(total)}  100.0 %  ${count === 1 ? 'one' : `${count} of them, the longest ${formatTime(longest as Instant)}`}`,
    ...Object.entries(milestones).map(([what, sum]) => {
      const percent = `${((sum / total) * 100).toFixed(1)} %`.padStart(8);
      return `  ${what.padEnd(22)}${time(sum)} ${percent}  ${MILESTONES[what as Milestone]}`;
    }),
  ]);
}
