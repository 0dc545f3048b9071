/** A VT-d unit from a specification, or one sentence about capability registers that no unit here can have. */
import { numberOf } from '../../hardware/bits/index.ts';
import type { PhysicalMemory } from '../../hardware/memory/index.ts';
import { Capabilities, VtdUnit } from '../../hardware/vtd/index.ts';
import { InputError } from './input-error.ts';
import type { MachineSpec } from './schema.ts';

export type DeliverInterrupt = (address: number, data: number) => void;

export function buildUnit({ iommu }: MachineSpec, memory: PhysicalMemory, deliver: DeliverInterrupt): VtdUnit {
  const { ver, cap, ecap, hostAddressWidth, faultCompression, protectedRegionN, performance } = iommu;
  const { iotlb, contextCache, pasidCache, firstStageCache, secondStageCache, interruptEntryCache } = iommu;
  const caches = { iotlb, contextCache, pasidCache, firstStageCache, secondStageCache, interruptEntryCache };
  const registers = { ver: BigInt(ver), cap: BigInt(cap), ecap: BigInt(ecap) };
  check(new Capabilities(registers, hostAddressWidth));
  try {
    return new VtdUnit(
      { capabilities: registers, hostAddressWidth, faultCompression, protectedRegionN, performance, ...caches },
      { memory, raiseMsi: (hi, lo, data) => deliver(numberOf(hi, lo), data) },
    );
  } catch (error) {
    // The register file refuses to hold two registers in one place; only CAP.FRO and ECAP.IRO can ask for that.
    if (!(error instanceof RangeError)) throw error;
    throw new InputError(`machine.iommu: cap (FRO) and ecap (IRO) place registers over others: ${error.message}.`);
  }
}

function check(capabilities: Capabilities): void {
  if (capabilities.widest < 0) {
    throw new InputError(
      'machine.iommu.cap: SAGAW names no number of levels that exists: one of its bits 1 to 3 must be 1.',
    );
  }
}
