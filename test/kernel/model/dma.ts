/** What devices reach, by the unit's own translation and by DMA, against what the reference model lets them. */
import { encode, PAGE_SIZE } from '../../../hardware/bits/index.ts';
import {
  ADDRESS,
  BUFFER_OFFSET,
  COMMAND,
  DMA_ENGINE_BAR,
  LENGTH,
  PASID,
  STATUS,
} from '../../../hardware/devices/dma-engine/spec.ts';
import { Access, Translation } from '../../../hardware/iommu/index.ts';
import { ns, type Script } from '../../../hardware/sim/index.ts';
import { NONE } from './facts.ts';
import type { RefDevice } from './files.ts';
import { type Cell, MARK_AT, markOf } from './memory.ts';
import type { Reached } from './spaces.ts';
import type { World } from './world.ts';

/** A request of a device. */
export interface Request {
  readonly device: number;
  readonly pasid: number;
  readonly page: number;
  readonly write: boolean;
}

/** PASIDs that devices try: of one nobody attaches anything. */
export const PASIDS = [NONE, 3, 5, 9];
/** Those under which a PASID table leads a request. */
const PASIDS_OF_TABLES = [0, 3, 5, 9];
/** Pages of I/O virtual addresses that devices try: neighbours, both sides of a large page, and guest memory. */
export const GUEST = 0x4_0000;
export const GUEST_PAGES = 12;
export const DEVICE_PAGES = [0, 1, 2, 3, 4, 0x1ff, 0x200, 0x201, 0x3ff, ...[0, 1, 4, 5, 6, 11].map((i) => GUEST + i)];

/** What a request may reach: the page that is mapped now, and others that a user's table led to before. */
const [READ, WRITE] = [1, 2];

interface Reachable {
  readonly now: Cell | null;
  readonly before: readonly Cell[];
}

const NOTHING: Reachable = { now: null, before: [] };

function reachable(device: RefDevice, { pasid, page, write }: Request): Reachable {
  const way = device.way(pasid);
  const may = (one: Reached | null | undefined) => (write ? one?.write : one?.read) === true;
  const at = way?.at(page);
  const now = may(at) ? at!.cell : null;
  const remembered = way?.stale(page) ?? [];
  return { now, before: remembered.filter((one) => may(one) && one.cell !== now).map(({ cell }) => cell) };
}

function isStale(world: World, { device, pasid, page }: Request): boolean {
  return world.devices[device]!.way(pasid)?.isStale(page) === true;
}

/** What users' tables lead to now hardware may remember. */
export function remember(world: World): void {
  for (const context of world.rules.contexts) {
    for (const space of context.spaces.values()) {
      if (space.user !== null && context.attached(space).length > 0) space.remember(PASIDS_OF_TABLES, DEVICE_PAGES);
    }
  }
}

function said({ device, pasid, page, write }: Request): string {
  const who = pasid === NONE ? '' : ` with PASID ${pasid}`;
  return `device ${device}${who} ${write ? 'writes' : 'reads'} page 0x${page.toString(16)}`;
}

/** Asks the unit for every request of every device: nothing is reached but what may be, and all of that. */
export function checkTranslations(world: World): void {
  for (const device of world.devices.keys()) {
    for (const pasid of PASIDS) {
      const isLed = world.devices[device]!.way(pasid) !== undefined;
      for (const page of isLed ? DEVICE_PAGES : DEVICE_PAGES.slice(-2)) {
        for (const write of [false, true]) checkTranslation(world, { device, pasid, page, write });
      }
    }
  }
}

function checkTranslation(world: World, request: Request): void {
  const { now, before } = reachable(world.devices[request.device]!, request);
  const address = translate(world, request);
  if (address === undefined) {
    // The right to write may be as old as what was there before.
    if (now !== null && !isStale(world, request)) world.fail(`${said(request)}: blocked, but it may`);
    return;
  }
  const mark = markOf(world.bench.memory.read(address + MARK_AT, 4)!);
  const may = [...(now === null ? [] : [now]), ...before].map((cell) => cell.mark);
  if (!may.includes(mark)) world.fail(`${said(request)}: reaches ${mark}, but may reach only [${may}]`);
}

/** The host address of a page, or nothing. Caches answer too, and nothing changes. */
function translate({ bench, functions }: World, { device, pasid, page, write }: Request): number | undefined {
  const t = new Translation();
  t.effects = false;
  t.requester = functions[device]!.requester;
  t.pasid = pasid;
  t.access = write ? Access.WRITE : Access.READ;
  t.hi = Math.floor(page / 2 ** 20);
  t.lo = (page * PAGE_SIZE) | 0;
  bench.unit.translate(t);
  return t.fault === null ? (t.hpaHi >>> 0) * 2 ** 32 + (t.hpaLo >>> 0) : undefined;
}

/** Lets a device do it: what it reads is what it may; what it writes is in the model from then on, if it may. */
export function* checkDma(world: World, wish: Request): Script {
  const device = world.devices[wish.device]!;
  // One that may ask waits for an answer where it may not go.
  if (device.asks) return;
  // On its way to the IOMMU it would lose its PASID.
  const pasid = device.alike.length > 1 ? NONE : wish.pasid;
  // Which of several pages it was nobody could tell.
  const request = { ...wish, pasid, write: wish.write && !isStale(world, { ...wish, pasid }) };
  const { write } = request;
  // A device that nobody has may send nothing.
  const { now, before } = device.bound === null ? NOTHING : reachable(device, request);
  const mark = write ? world.mark() : 0;
  const got = yield* transfer(world, request, mark);
  device.way(pasid)?.walked(request.page);
  world.story.push(`${said(request)}${write ? ` mark ${mark}` : `: ${got ?? 'blocked'}`}`);
  if (device.bound !== null && (write ? now === null : got === null)) {
    const told = world.machine.facts.reportsPasids ? pasid : NONE;
    device.bound.context.faults.blocked({ device, pasid: told, pages: [request.page], perm: write ? WRITE : READ });
  }
  if (write) {
    if (now === null) return;
    now.mark = mark;
    device.way(pasid)!.wrote(request.page);
    return;
  }
  if (got === null && now !== null && !isStale(world, request)) world.fail(`${said(request)}: blocked, but it may`);
  const may = [...(now === null ? [] : [now]), ...before].map((cell) => cell.mark);
  if (got !== null && !may.includes(got)) world.fail(`${said(request)}: gets ${got}, but may get only [${may}]`);
}

/** What a device reads, or `null` when it is refused; of a write it never learns. */
function* transfer(
  { bench: { bus }, functions }: World,
  { device, pasid, page, write }: Request,
  mark: number,
): Script<number | null> {
  const base = functions[device]!.bars.get(DMA_ENGINE_BAR)!.address;
  const set = (
    register: typeof ADDRESS | typeof LENGTH | typeof PASID | typeof COMMAND,
    words: Uint32Array,
  ): Script => {
    const value = words.reduceRight((sum, word) => (sum << 32n) | BigInt(word), 0n);
    return bus.mmioWrite(base + register.$.offset!, (words.length * 4) as 4 | 8, value);
  };
  if (write) yield* bus.mmioWrite(base + BUFFER_OFFSET, 4, BigInt(mark));
  yield* set(ADDRESS, encode(ADDRESS, { ADDRESS: BigInt(page * PAGE_SIZE + MARK_AT) }));
  yield* set(LENGTH, encode(LENGTH, { LENGTH: 4 }));
  yield* set(PASID, encode(PASID, pasid === NONE ? {} : { PASID: pasid, VALID: 1 }));
  yield* set(COMMAND, encode(COMMAND, { START: 1, WRITE: write ? 1 : 0 }));
  for (let polls = 0; polls < 1000; polls++) {
    const status = new Uint32Array(STATUS.$.offset! / 4 + 1);
    status[STATUS.$.offset! / 4] = Number(yield* bus.mmioRead(base + STATUS.$.offset!, 4));
    if (STATUS.DONE.isSet(status)) {
      if (STATUS.ERROR.isSet(status)) return null;
      return write ? mark : Number(yield* bus.mmioRead(base + BUFFER_OFFSET, 4));
    }
    yield ns(100);
  }
  throw new Error(`device ${device} is never done`);
}
