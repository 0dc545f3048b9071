/** The unit's rings in memory: what software tells the unit, and what the unit tells software. */
import { type AnyLayout, hex, type RegisterFile } from '../../bits/index.ts';
import { type ReadBytes, ringNodes, type TableNode } from '../../iommu/index.ts';
import type { Features } from '../features.ts';
import { RINGS, Ring, type RingRegisters } from '../rings.ts';
import * as spec from '../spec/index.ts';

const { COMMAND_HEADER, COMMANDS, EVENT_HEADER, EventCode, GA_LOG_ENTRY, PPR_LOG_ENTRY, STATUS } = spec;

const EVENTS: ReadonlyMap<number, AnyLayout> = new Map(
  [
    spec.ILLEGAL_DEV_TABLE_ENTRY,
    spec.IO_PAGE_FAULT,
    spec.DEV_TAB_HARDWARE_ERROR,
    spec.PAGE_TAB_HARDWARE_ERROR,
    spec.ILLEGAL_COMMAND_ERROR,
    spec.COMMAND_HARDWARE_ERROR,
    spec.IOTLB_INV_TIMEOUT,
    spec.INVALID_DEVICE_REQUEST,
    spec.INVALID_PPR_REQUEST,
    spec.EVENT_COUNTER_ZERO,
  ].map((of: AnyLayout) => [EventCode[of.$.name as keyof typeof EventCode], of]),
);

export function commandBuffer(file: RegisterFile, read: ReadBytes): TableNode {
  const layoutOf = (words: Uint32Array): AnyLayout => {
    const code = COMMAND_HEADER.Opcode.get(words);
    return COMMANDS.find((command) => command.code === code)?.layout ?? COMMAND_HEADER;
  };
  return ringTree('command buffer', file, RINGS.COMMAND, STATUS.CmdBufRun.isSet(file.words), read, layoutOf);
}

/** Every log that the unit has. */
export function logTrees(file: RegisterFile, features: Features, read: ReadBytes): TableNode[] {
  const { words } = file;
  const event = (entry: Uint32Array): AnyLayout => EVENTS.get(EVENT_HEADER.EventCode.get(entry)) ?? EVENT_HEADER;
  const tree = (what: string, ring: RingRegisters, runs: boolean, of: (entry: Uint32Array) => AnyLayout): TableNode =>
    ringTree(what, file, ring, runs, read, of);
  const runs = {
    events: STATUS.EventLogRun.isSet(words),
    requests: STATUS.PprLogRun.isSet(words),
    guests: STATUS.GALogRun.isSet(words),
  };
  const request = (): AnyLayout => PPR_LOG_ENTRY;
  return [
    tree('event log', RINGS.EVENT, runs.events, event),
    ...(features.has('DualEventLogSup') ? [tree('event log B', RINGS.EVENT_B, runs.events, event)] : []),
    ...(features.has('PPRSup') ? [tree('PPR log', RINGS.PPR, runs.requests, request)] : []),
    ...(features.has('DualPprLogSup') ? [tree('PPR log B', RINGS.PPR_B, runs.requests, request)] : []),
    ...(features.has('GASup') ? [tree('GA log', RINGS.GA, runs.guests, () => GA_LOG_ENTRY)] : []),
  ];
}

function ringTree(
  what: string,
  file: RegisterFile,
  registers: RingRegisters,
  runs: boolean,
  read: ReadBytes,
  layoutOf: (words: Uint32Array) => AnyLayout,
): TableNode {
  const ring = new Ring(file, registers);
  const { start, bytes, head, tail } = ring;
  const { entryBytes } = registers;
  const place = { what: `${what} at ${hex(start)}`, index: `of ${bytes / entryBytes} entries${runs ? '' : ', off'}` };
  if (!ring.isValid) return { ...place, note: 'its length code is reserved', children: [] };
  return { ...place, children: ringNodes(read, { start, bytes, entryBytes, head, tail }, layoutOf) };
}
