/** Names for what a recorder sees as numbers: requesters, registers, table entries. */
import type { AnyLayout } from '../../hardware/bits/index.ts';
import { formatRequester } from '../../hardware/pcie/index.ts';
import { type Capabilities, entryLayout } from '../../hardware/vtd/index.ts';
import { FRCD, IOTLB_REG, IVA, REGISTERS } from '../../hardware/vtd/spec/index.ts';
import type { Names } from '../recorder/index.ts';

/** `devices` are names by requester id. */
export function namesOf(devices: ReadonlyMap<number, string>, capabilities: Capabilities): Names {
  const registers = registerNames(capabilities);
  return {
    requester: (rid) => devices.get(rid) ?? formatRequester(rid),
    register: (offset) => registers.get(offset) ?? `register 0x${offset.toString(16)}`,
    layout: entryLayout,
  };
}

/** Names by offset; the upper half of a 64-bit register says so. */
function registerNames({ iotlbRegisterOffset, faultRecordOffset, faultRecords }: Capabilities): Map<number, string> {
  const names = new Map<number, string>();
  const place = ({ $ }: AnyLayout, offset: number, suffix = ''): void => {
    for (let word = 0; word < $.words; word++) {
      const part = word === 0 ? '' : $.words === 2 ? ' (upper half)' : ` (word ${word})`;
      names.set(offset + word * 4, `${$.name}${suffix}${part}`);
    }
  };
  for (const register of Object.values(REGISTERS).flat()) place(register, register.$.offset!);
  place(IVA, iotlbRegisterOffset);
  place(IOTLB_REG, iotlbRegisterOffset + 8);
  for (let i = 0; i < faultRecords; i++) place(FRCD, faultRecordOffset + i * 16, `[${i}]`);
  return names;
}
