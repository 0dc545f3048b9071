/** Names for what a recorder sees as numbers: requesters, registers, table entries. */
import { formatRequester } from '../../hardware/pcie/index.ts';
import type { Names } from '../recorder/index.ts';
import type { Iommu } from './iommu/index.ts';

/** `devices` are names by requester id. */
export function namesOf(devices: ReadonlyMap<number, string>, iommu: Iommu): Names {
  return {
    requester: (rid) => devices.get(rid) ?? formatRequester(rid),
    register: (offset) => iommu.registerNames.get(offset) ?? `register 0x${offset.toString(16)}`,
    layout: (what, words) => iommu.layout(what, words),
  };
}
