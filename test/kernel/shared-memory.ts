/** Firmware of both vendors that shares two pages of RAM with the first device: RMRR on VT-d, unity mapping on AMD-Vi. */
import { fieldsOf, IVMD } from '../../hardware/amdvi/spec/ivrs.ts';
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import { ivrs, tablesOf } from './amd-bench.ts';
import { RIDS, type Tables } from './machine-bench.ts';
import { rmrr, tableOf, UNIT } from './tables.ts';

export const SHARED_AT = 0xf_0000;

const reserved = tableOf(UNIT, rmrr(SHARED_AT, SHARED_AT + 2 * PAGE_SIZE - 1, RIDS[0]));

/** By the names of platforms. */
export const SHARED: readonly (readonly [string, Tables])[] = [
  ['VT-d in legacy mode', reserved],
  ['VT-d in scalable mode', reserved],
  ['AMD-Vi with host tables', unity()],
];

function unity(): Tables {
  const fields = fieldsOf(IVMD, { Unity: 1, IR: 1, IW: 1, DeviceID: RIDS[0], Start: SHARED_AT, Size: 2 * PAGE_SIZE });
  const table = ivrs();
  return tablesOf({ ...table, blocks: [...table.blocks, { type: 'IVMD_SELECT', fields }] });
}
