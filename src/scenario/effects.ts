/** What a system call did to hardware, in one sentence: entries of devices, registers, commands, caches, messages. */
import type { EntryView, TableNode } from '../../hardware/index.ts';
import { hex } from '../machine/index.ts';
import type { Recorder, TraceEvent } from '../recorder/index.ts';
import { fieldsText } from './entries.ts';
import type { TableWalk } from './table-walk.ts';

/** Watches from now on; the function that it gives ends that and says what was seen. `queue` shows the IOMMU's command queue. */
export function watchEffects(recorder: Recorder, queue: () => TableNode | null): () => string[] {
  const registers = new Map<string, number>();
  const caches = new Map<string, number>();
  const messages = new Map<string, number>();
  const functions = new Map<string, number>();
  const start = tailOf(queue());
  const see = (event: TraceEvent): void => {
    if (event.kind === 'register') count(registers, event.name);
    if (event.kind === 'invalidated') count(caches, event.what);
    if (event.kind !== 'packet' || event.who !== 'root') return;
    if (event.packet.startsWith('CfgWr')) count(functions, event.to);
    if (event.packet.startsWith('Msg')) count(messages, `${event.packet.replace(/^MsgD? /, '')} to ${event.to}`);
  };
  recorder.on('event', see);
  return () => {
    recorder.off('event', see);
    return [
      ...listed('configuration space written', functions),
      ...listed('registers written', registers),
      // Hardware learns of a command by a register.
      ...(registers.size === 0 ? [] : listed('queued', queuedSince(start, queue()))),
      ...listed('invalidated', caches),
      ...listed('sent', messages),
    ];
  };
}

/** What stood in a device's tables before a call, and what stands there after it. */
export interface Change {
  readonly device: string;
  readonly before: TableWalk;
  readonly after: TableWalk;
}

/**
 * Which words differ, each in a few words, those that devices have in common once. Words that `others` had before are nothing new
 * when a device gets to them, too.
 */
export function tableChanges(
  changes: readonly Change[],
  others: readonly TableWalk[],
  read64: (address: number) => bigint,
): string[] {
  const old = new Map(
    [...others, ...changes.map(({ before }) => before)]
      .flatMap(entriesOf)
      .map(({ entry }) => [entry.address, entry.value]),
  );
  const found = new Map<number, string>();
  for (const { device, before, after } of changes) {
    const now = new Set(entriesOf(after).map(({ entry }) => entry.address));
    // A word that says nothing any more is on no way.
    const emptied = entriesOf(before)
      .filter(({ entry }) => !now.has(entry.address) && read64(entry.address) === 0n)
      .map(({ entry, isDevices }) => ({ entry: { ...entry, value: 0n }, isDevices }));
    for (const { entry, isDevices } of [...entriesOf(after), ...emptied]) {
      const { what, address, value, fields } = entry;
      if (old.get(address) === value || (value === 0n && !old.has(address)) || found.has(address)) continue;
      const said = isDevices && value !== 0n ? `says ${fieldsText(fields)}` : `is ${hex(value)}`;
      found.set(address, `${device}’s ${what} at ${hex(address)} ${said}`);
    }
  }
  return [...found.values()];
}

/** Entries on the way, and whether they are a device's own: those have many fields. */
function entriesOf({ device, stages }: TableWalk): { readonly entry: EntryView; readonly isDevices: boolean }[] {
  return [
    ...device.map((entry) => ({ entry, isDevices: true })),
    ...stages.flatMap(({ entries }) => entries.map((entry) => ({ entry, isDevices: false }))),
  ];
}

/** Where software puts the next command: a number of bytes, or -1 without a queue. */
function tailOf(queue: TableNode | null): number {
  return queue?.children.find(({ note }) => note?.includes('tail'))?.entry?.address ?? -1;
}

/** Names of the commands from one place of the tail to the next, around the end of the ring. */
function queuedSince(start: number, queue: TableNode | null): ReadonlyMap<string, number> {
  const end = tailOf(queue);
  const commands = new Map<string, number>();
  for (const { what, entry } of queue?.children ?? []) {
    const at = entry?.address ?? -1;
    const isNew = start <= end ? start <= at && at < end : at >= start || at < end;
    if (start >= 0 && isNew) count(commands, what);
  }
  return commands;
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function listed(heading: string, counts: ReadonlyMap<string, number>): string[] {
  const names = [...counts].map(([name, times]) => (times === 1 ? name : `${name} ${times} times`));
  return names.length === 0 ? [] : [`${heading}: ${names.join(', ')}`];
}
