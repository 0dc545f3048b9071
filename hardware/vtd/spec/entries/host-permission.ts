/**
 * Entries of a host permission table: VT-d 9.12. A non-zero permission ends the walk; else, where AV is set, ADDRESS
 * leads to the next lower table. The specification draws each permission four bits wide, of which the upper two are
 * reserved.
 */
import { type AnyLayout, type Field, field, flag, layout } from '../../../bits/index.ts';
import type { ReservedWithout } from '../capability.ts';

/** A permission, PPi. */
export const PagePermission = { NONE: 0b00, READ: 0b01, WRITE: 0b10, READ_WRITE: 0b11 } as const;

const page = (i: number) => field(4 * i + 1, 4 * i, `Permission for page ${i}`, PagePermission);

const PP_7_0 = {
  PP0: page(0),
  PP1: page(1),
  PP2: page(2),
  PP3: page(3),
  PP4: page(4),
  PP5: page(5),
  PP6: page(6),
  PP7: page(7),
};
const PP_15_8 = {
  PP8: page(8),
  PP9: page(9),
  PP10: page(10),
  PP11: page(11),
  PP12: page(12),
  PP13: page(13),
  PP14: page(14),
  PP15: page(15),
};
const PP_31_16 = {
  PP16: page(16),
  PP17: page(17),
  PP18: page(18),
  PP19: page(19),
  PP20: page(20),
  PP21: page(21),
  PP22: page(22),
  PP23: page(23),
  PP24: page(24),
  PP25: page(25),
  PP26: page(26),
  PP27: page(27),
  PP28: page(28),
  PP29: page(29),
  PP30: page(30),
  PP31: page(31),
};
const NEXT = {
  AV: flag(64, 'ADDRESS is valid'),
  ADDRESS: field(115, 76, 'Next lower table, a 4 KiB page; bits at or above the host address width are reserved'),
  IGNORED_127_116: field(127, 116, 'Ignored'),
};

/** Bits HAW-1:41 of the address are the index. */
export const HPTL4E = layout('HPTL4E', 128, 'VT-d 9.12.1', NEXT);

/** Bits 40:33 of the address are the index, bits 32:30 choose the 1 GiB page. */
export const HPTL3E = layout('HPTL3E', 128, 'VT-d 9.12.2', { ...PP_7_0, ...NEXT });

export const HPTL3E_RESERVED_WITHOUT = {
  HPT1GPS: ['PP0', 'PP1', 'PP2', 'PP3', 'PP4', 'PP5', 'PP6', 'PP7'],
} as const satisfies ReservedWithout<typeof HPTL3E>;

/** Bits 32:25 of the address are the index, bits 24:21 choose the 2 MiB page. */
export const HPTL2E = layout('HPTL2E', 128, 'VT-d 9.12.3', { ...PP_7_0, ...PP_15_8, ...NEXT });

/** Bits 24:17 of the address are the index, bits 16:12 choose the 4 KiB page. */
export const HPTL1E = layout('HPTL1E', 128, 'VT-d 9.12.4', { ...PP_7_0, ...PP_15_8, ...PP_31_16 });

/** PP0 and up, of an entry that has permissions. */
export function permissionsOf({ $ }: AnyLayout): readonly Field[] {
  return $.fields.filter(({ name }) => /^PP\d+$/.test(name));
}
