/**
 * Everything that the driver of a unit needs memory or a vector for. All of it is taken before the unit is told of any: where
 * something is missing everything goes back, and the unit is as it was. Telling it cannot fail.
 */
import type { AmdUnit } from '../acpi/amd-units.ts';
import type { Message } from '../interrupts.ts';
import { Takings } from '../iommu/takings.ts';
import { CommandBuffer } from './command-buffer.ts';
import type { Command } from './commands.ts';
import { DeviceTable } from './device-table.ts';
import type { AmdDriver } from './driver.ts';
import { EventReader } from './event-reader.ts';
import { InterruptTables } from './interrupt-tables.ts';
import type { LogSurroundings } from './log-reader.ts';
import { PageRequestReader } from './page-requests.ts';

export interface UnitParts {
  /** `null` where interrupts are not remapped. */
  readonly interrupts: InterruptTables | null;
  readonly table: DeviceTable;
  readonly events: EventReader;
  readonly commands: CommandBuffer;
  readonly pageRequests: PageRequestReader | null;
  /** What the unit writes to raise its interrupt. */
  readonly message: Message;
}

export interface PartsSpec {
  readonly surroundings: LogSurroundings;
  readonly unit: AmdUnit;
  readonly remapsInterrupts: boolean;
  /** Runs for each interrupt of the unit. */
  readonly serve: (parts: UnitParts) => ReturnType<EventReader['serve']>;
}

/** All parts, or -ENOMEM or -ENOSPC and nothing is taken. */
export function takeParts(driver: AmdDriver, spec: PartsSpec): UnitParts | number {
  const { surroundings, unit, remapsInterrupts, serve } = spec;
  const { allocator, bus, interrupts: vectors } = surroundings;
  const { features, attachments } = driver;
  const taken = new Takings();

  const interrupts = remapsInterrupts
    ? taken.keep(InterruptTables.create(driver, surroundings), (one) => one.release())
    : null;
  if (typeof interrupts === 'number') return interrupts;
  const entries = { unit, interrupts: interrupts?.none ?? {} };
  const table = taken.keep(DeviceTable.create(bus.memory, allocator, entries), (one) => one.release());
  if (typeof table === 'number') return table;
  const events = taken.keep(EventReader.create(surroundings), (one) => one.release());
  if (typeof events === 'number') return events;
  const withEvents = { ...surroundings, readEvents: () => events.serve() };
  const commands = taken.keep(CommandBuffer.create(withEvents), (one) => one.release());
  if (typeof commands === 'number') return commands;
  const answer = (answers: readonly Command[]) => driver.run(answers);
  const pageRequests = features.pageRequests
    ? taken.keep(PageRequestReader.create(surroundings, features, attachments, answer), (one) => one.release())
    : null;
  if (typeof pageRequests === 'number') return pageRequests;
  const message = taken.keep(
    vectors.allocate(driver.name, () => serve(parts)),
    (one) => vectors.free(one),
  );
  if (typeof message === 'number') return message;
  const parts: UnitParts = { interrupts, table, events, commands, pageRequests, message };
  return parts;
}
