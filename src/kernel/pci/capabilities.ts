/** Capabilities of a function, by its configuration space. */
import { encode } from '../../../hardware/bits/index.ts';
import {
  CAPABILITIES_POINTER,
  CAPABILITY,
  COMMAND_STATUS,
  EXTENDED_CAPABILITIES_START,
  EXTENDED_CAPABILITY,
  MSI_CAPABILITY,
} from '../../../hardware/pcie/spec/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import type { Bus } from '../bus.ts';
import type { Message } from '../interrupts.ts';

const WORD_BYTES = 4;
/** More capabilities than this do not fit: the list runs in a circle. */
const MOST_CAPABILITIES = 48;
/** As many as there are words to begin with. */
const MOST_EXTENDED = 960;
const NOBODY = 0xffff_ffff;
/** The low bits of a pointer are reserved. */
const POINTER_MASK = 0xfc;

/** Offset of a function's first capability with this id, or 0 when it has none. */
export function* findCapability(bus: Bus, rid: number, id: number): Script<number> {
  const status = yield* wordAt(bus, rid, COMMAND_STATUS.$.offset!);
  if (!COMMAND_STATUS.CAPABILITIES_LIST.isSet(status, -COMMAND_STATUS.$.offset! / WORD_BYTES)) return 0;
  const { offset } = CAPABILITIES_POINTER.$;
  let at = CAPABILITIES_POINTER.POINTER.get(yield* wordAt(bus, rid, offset!), -offset! / WORD_BYTES) & POINTER_MASK;
  for (let seen = 0; at !== 0 && seen < MOST_CAPABILITIES; seen++) {
    const header = yield* wordAt(bus, rid, at);
    if (CAPABILITY.CAPABILITY_ID.get(header) === id) return at;
    at = CAPABILITY.NEXT.get(header) & POINTER_MASK;
  }
  return 0;
}

/** Offset of a function's first extended capability with this id, or 0 when it has none. */
export function* findExtendedCapability(bus: Bus, rid: number, id: number): Script<number> {
  return (yield* findExtendedCapabilities(bus, rid, [id]))[0]!;
}

/** The same for several ids in one walk through the list. */
export function* findExtendedCapabilities(bus: Bus, rid: number, ids: readonly number[]): Script<number[]> {
  const found = ids.map(() => 0);
  let at: number = EXTENDED_CAPABILITIES_START;
  for (let seen = 0; at >= EXTENDED_CAPABILITIES_START && seen < MOST_EXTENDED && found.includes(0); seen++) {
    const header = yield* wordAt(bus, rid, at);
    if (header[0] === 0 || header[0] === NOBODY) break;
    const which = ids.indexOf(EXTENDED_CAPABILITY.CAPABILITY_ID.get(header));
    if (found[which] === 0) found[which] = at;
    at = EXTENDED_CAPABILITY.NEXT.get(header) & ~(WORD_BYTES - 1);
  }
  return found;
}

/** Lets the function whose MSI capability is at `at` send this one message for all its vectors. */
export function* enableMsi(bus: Bus, rid: number, at: number, { address, data }: Message): Script {
  const words = encode(MSI_CAPABILITY, { ENABLE: 1, ADDRESS: address / WORD_BYTES, DATA: data });
  for (const n of [1, 2, 3]) yield* bus.configWrite(rid, at + n * WORD_BYTES, WORD_BYTES, words[n]!);
  yield* bus.configWrite(rid, at, WORD_BYTES, words[0]!);
}

export function* wordAt(bus: Bus, rid: number, offset: number): Script<Uint32Array> {
  return Uint32Array.of(yield* bus.configRead(rid, offset, WORD_BYTES));
}
