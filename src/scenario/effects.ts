/** What a system call did to hardware, in one sentence: entries of devices, registers, caches. */
import type { EntryView } from '../../hardware/index.ts';
import { hex } from '../machine/index.ts';
import type { Recorder, TraceEvent } from '../recorder/index.ts';
import type { TableWalk } from './table-walk.ts';

/** Watches from now on; the function that it gives ends that and says what was seen. */
export function watchEffects(recorder: Recorder): () => string[] {
  const registers = new Map<string, number>();
  const caches = new Map<string, number>();
  const see = (event: TraceEvent): void => {
    if (event.kind === 'register') count(registers, event.name);
    if (event.kind === 'invalidated') count(caches, event.what);
  };
  recorder.on('event', see);
  return () => {
    recorder.off('event', see);
    return [
      ...(registers.size === 0 ? [] : [`registers written: ${counted(registers)}`]),
      ...(caches.size === 0 ? [] : [`invalidated: ${counted(caches)}`]),
    ];
  };
}

/** What stood in a device's tables before a call, and what stands there after it. */
export interface Change {
  readonly device: string;
  readonly before: TableWalk;
  readonly after: TableWalk;
}

/** Tells which words differ, each in a few words, and those that devices have in common once. */
export class TableChanges {
  /** Words that have been told, so that a table is not told again when another device gets it. */
  readonly #told = new Map<number, bigint>();
  readonly #read64: (address: number) => bigint;

  constructor(read64: (address: number) => bigint) {
    this.#read64 = read64;
  }

  lines(changes: readonly Change[]): string[] {
    const found = new Map<number, string>();
    for (const { device, before, after } of changes) {
      const old = new Map(entriesOf(before).map(({ address, value }) => [address, value]));
      const now = new Set(entriesOf(after).map(({ address }) => address));
      // A word that says nothing any more is on no way.
      const emptied = entriesOf(before)
        .filter(({ address }) => !now.has(address) && this.#read64(address) === 0n)
        .map((entry) => ({ ...entry, value: 0n }));
      for (const { what, address, value } of [...entriesOf(after), ...emptied]) {
        const known = old.get(address) ?? this.#told.get(address);
        if (known === value || found.has(address)) continue;
        this.#told.set(address, value);
        found.set(address, `${device}’s ${what} at ${hex(address)} is ${hex(value)}`);
      }
    }
    return [...found.values()];
  }
}

function entriesOf({ device, stages }: TableWalk): EntryView[] {
  return [...device, ...stages.flatMap(({ entries }) => entries)];
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function counted(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([name, times]) => (times === 1 ? name : `${name} ${times} times`)).join(', ');
}
