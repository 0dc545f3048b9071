/** Units of legacy mode whose invalidation registers are broken in one way each. */
import { broken, type Mutant } from './broken.ts';

const CCMD = 0x28;
const IVA = 0xf0;
const IOTLB = 0xf8;

/** The register is written with another value than software gives; only where the granularity is one of those named. */
const rewritten = (name: string, register: number, change: (value: bigint) => bigint): Mutant =>
  broken(
    name,
    (unit) => {
      const { write } = unit;
      unit.write = (offset, size, value) =>
        write.call(unit, offset, size, offset === register && size === 8 ? change(value) : value);
    },
    { setting: { registers: true, ats: false } },
  );

const granularityOf = (value: bigint, at: bigint): bigint => (value >> at) & 3n;

export const REGISTER_MUTANTS: readonly Mutant[] = [
  rewritten('CCMD.DID is always 1.', CCMD, (value) =>
    granularityOf(value, 61n) === 1n ? value : (value & ~0xffffn) | 1n,
  ),
  rewritten('CCMD.SID loses the function.', CCMD, (value) => value & ~0x7_0000n),
  rewritten('CCMD.FM counts as 0.', CCMD, (value) => value & ~0x3_0000_0000n),
  rewritten('A global CCMD is domain-selective.', CCMD, (value) =>
    granularityOf(value, 61n) === 1n ? 0xc000_0000_0000_0001n : value,
  ),
  rewritten('IVA.AM counts as 0.', IVA, (value) => value & ~0x3fn),
  rewritten('IVA.IH counts as 1.', IVA, (value) => value | 0x40n),
  rewritten('IVA.ADDR drops bits above 31.', IVA, (value) => value & 0xffff_ffffn),
  rewritten('IOTLB_REG.DID is always 1.', IOTLB, (value) =>
    granularityOf(value, 60n) === 1n ? value : (value & ~0xffff_0000_0000n) | 0x1_0000_0000n,
  ),
  rewritten('A global IOTLB_REG is domain-selective.', IOTLB, (value) =>
    granularityOf(value, 60n) === 1n ? 0xa000_0001_0000_0000n : value,
  ),
];
