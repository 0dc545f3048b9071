/**
 * The rig: an IOMMU with memory and DMA initiators but no kernel, driven from outside and fully synchronous. An
 * emulator that runs a stock kernel, a recorded case or a fuzzer uses exactly this.
 *
 * Addresses and 64-bit values are bigints: this is an edge. What a guest does never throws; what the host asks for and
 * cannot have does: a wrong option is an error that names it, a mode that does not exist is `NotSupported`.
 */
import { amdUnit } from './rig/amd.ts';
import { intelUnit } from './rig/intel.ts';
import { checkOptions, NotSupported } from './rig/options.ts';
import type { Rig, RigOptions } from './rig/types.ts';
import { UnitRig } from './rig/unit-rig.ts';

export type { HostMemory } from './rig/memory.ts';
export * from './rig/types.ts';
export { NotSupported };

/** Makes a rig. Throws a sentence that names a wrong or unknown option, and `NotSupported` for what does not exist. */
export function createRig(options: RigOptions): Rig {
  checkOptions(options);
  return options.vendor === 'amd'
    ? new UnitRig(options, amdUnit(options, options.capabilities))
    : new UnitRig(options, intelUnit(options, options.capabilities));
}
