/** A unit without a rig around it, for a test that looks at it from nearer: no cache unless it says so. */
import { type AmdViSpec, type AmdViSurroundings, AmdViUnit } from '../../hardware/amdvi/index.ts';
import { PhysicalMemory } from '../../hardware/memory/index.ts';
import { ALL, ALL_2 } from './parts.ts';

export function bareUnit(
  spec: Partial<AmdViSpec> = {},
  { memory = new PhysicalMemory(), raiseMsi = () => {} }: Partial<AmdViSurroundings> = {},
): AmdViUnit {
  const usual = { hostAddressWidth: 52, features: { efr: ALL, efr2: ALL_2 }, iotlb: null, deviceTableCache: null };
  return new AmdViUnit({ ...usual, ...spec }, { memory, raiseMsi });
}
