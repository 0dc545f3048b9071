/**
 * Function-level reset (PCIe 6.6.2): a function forgets what it was told and what it does. Where its registers are it is
 * told again; who wants interrupts, or anything beside plain DMA, has to ask anew.
 */
import { CapabilityId, COMMAND_STATUS, PCIE_CAPABILITY } from '../../../hardware/pcie/spec/index.ts';
import { ms, type Script } from '../../../hardware/sim/index.ts';
import { EOPNOTSUPP } from '../../uapi/index.ts';
import type { Bus } from '../bus.ts';
import { findCapability, wordAt } from './capabilities.ts';
import type { PciFunction } from './device.ts';

const FIRST_BAR = 0x10;
const BARS = 6;
/** From the reset on a function has this long until it must answer. */
const RESET_TIME = ms(100);
/** How often, ever more patiently, requests that are under way are waited for. */
const PATIENCE = 4;

const { FLR_SUPPORTED, INITIATE_FLR, TRANSACTIONS_PENDING } = PCIE_CAPABILITY;
/** Where the capability's words with these fields are. */
const CAPABILITIES = 0x04;
const CONTROL = 0x08;

/** Leaves the function as after power-on, with its registers where they were and bus mastering off: 0, -EOPNOTSUPP. */
export function* resetFunction(bus: Bus, { rid }: PciFunction): Script<number> {
  const at = yield* findCapability(bus, rid, CapabilityId.PCI_EXPRESS);
  if (at === 0) return -EOPNOTSUPP;
  if (!FLR_SUPPORTED.isSet(yield* wordAt(bus, rid, at + CAPABILITIES), -CAPABILITIES / 4)) return -EOPNOTSUPP;
  const commandAt = COMMAND_STATUS.$.offset!;
  const command = yield* wordAt(bus, rid, commandAt);
  COMMAND_STATUS.BUS_MASTER.set(command, 0, -commandAt / 4);
  const bars: number[] = [];
  for (let n = 0; n < BARS; n++) bars.push((yield* wordAt(bus, rid, FIRST_BAR + n * 4))[0]!);
  // 1. Nothing new; what is under way comes to its end.
  yield* bus.configWrite(rid, commandAt, 2, 0);
  for (let n = 0; n < PATIENCE && (yield* isPending(bus, rid, at)); n++) yield ms(100 * 2 ** n);
  // 2. The reset.
  const control = (yield* wordAt(bus, rid, at + CONTROL))[0]! & 0xffff;
  yield* bus.configWrite(rid, at + CONTROL, 2, control | INITIATE_FLR.mask);
  yield RESET_TIME;
  // 3. What the kernel has told it.
  for (const [n, bar] of bars.entries()) yield* bus.configWrite(rid, FIRST_BAR + n * 4, 4, bar);
  yield* bus.configWrite(rid, at + CONTROL, 2, control);
  yield* bus.configWrite(rid, commandAt, 2, command[0]! & 0xffff);
  return 0;
}

function* isPending(bus: Bus, rid: number, at: number): Script<boolean> {
  return TRANSACTIONS_PENDING.isSet(yield* wordAt(bus, rid, at + CONTROL), -CONTROL / 4);
}
