/** A unit without a rig around it, for a test that looks at it from nearer: no cache and no compression unless it says so. */
import { PhysicalMemory } from '../../hardware/memory/index.ts';
import { type VtdSpec, type VtdSurroundings, VtdUnit } from '../../hardware/vtd/index.ts';

export function bareUnit(
  spec: Pick<VtdSpec, 'capabilities'> & Partial<VtdSpec>,
  { memory = new PhysicalMemory(), raiseMsi = () => {} }: Partial<VtdSurroundings> = {},
): VtdUnit {
  const usual = { hostAddressWidth: 48, faultCompression: false, iotlb: null, contextCache: null };
  return new VtdUnit({ ...usual, ...spec }, { memory, raiseMsi });
}
