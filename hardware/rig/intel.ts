/** An Intel VT-d unit in a rig. */
import { VtdInspector, VtdUnit } from '../vtd/index.ts';
import type { Fault } from '../vtd/spec/index.ts';
import type { CommonOptions, IntelCapabilities } from './types.ts';
import type { MakeUnit } from './unit-rig.ts';

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
      config: null,
    };
  };
}
