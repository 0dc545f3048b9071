/** An Intel VT-d unit in a rig. */
import { highOf, joinHalves, lowOf } from '../bits/index.ts';
import { Access, inInterruptRange, type Translation } from '../iommu/index.ts';
import { VtdInspector, VtdUnit } from '../vtd/index.ts';
import type { Fault } from '../vtd/spec/index.ts';
import type { CommonOptions, IntelCapabilities, TranslationCompletion } from './types.ts';
import type { CompletedRequest, MakeUnit } from './unit-rig.ts';

/** Sizes of the caches in a rig. Not architectural. */
const CACHES = {
  iotlb: { sets: 32, ways: 8 },
  contextCache: { sets: 16, ways: 4 },
  pasidCache: { sets: 16, ways: 4 },
  interruptEntryCache: { sets: 16, ways: 4 },
} as const;

export function intelUnit(options: CommonOptions, capabilities: IntelCapabilities): MakeUnit<Fault> {
  return (memory, raiseMsi) => {
    const unit = new VtdUnit(
      {
        capabilities,
        hostAddressWidth: options.hostAddressWidth ?? 52,
        assumeCoherentWalks: options.assumeCoherentWalks ?? false,
        faultCompression: true,
        ...CACHES,
      },
      { memory, raiseMsi },
    );
    return {
      unit,
      inspector: () => new VtdInspector(unit, memory),
      ignoresNoWrite: !unit.capabilities.has('NWFS'),
      complete,
      config: null,
    };
  };
}

/** The completion of a translation request that succeeded (VT-d 4.2.3). */
function complete(t: Translation<Fault>, request: CompletedRequest): TranslationCompletion {
  const { address, pasid, privileged, execute, keepsWrite } = request;
  const { leaf } = t;
  const size = 1n << BigInt(leaf.shift);
  // The interrupt range is no memory: the device has to write there itself (S.1 and S.2).
  const isInterrupts = pasid === undefined && inInterruptRange(highOf(address), lowOf(address));
  const isPrivileged = pasid !== undefined && privileged === true;
  return {
    address: address & ~(size - 1n),
    translated: joinHalves(t.hpaHi, t.hpaLo) & ~(size - 1n),
    size,
    read: !isInterrupts && (leaf.rights & Access.READ) !== 0,
    write: keepsWrite && (isInterrupts || (leaf.rights & Access.WRITE) !== 0),
    execute: pasid !== undefined && execute === true && (leaf.rights & Access.READ) !== 0 && leaf.executable,
    privileged: isPrivileged,
    global: false,
    untranslatedOnly: isInterrupts && keepsWrite,
    nonSnoopedIgnored: t.snoop,
  };
}
