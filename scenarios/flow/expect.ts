/** What the flows expect of tables, compared with the bits that the specifications of the formats give. */
import { type DmaEngineDriver, type Program, type Script, type Stage, us } from '../../src/index.ts';

/** Bits 51:12, in the last entry of every format: the frame of a page of 4 KiB. */
const ADDRESS = 0x000f_ffff_ffff_f000n;

/** Where the last entry on the way says that a page may be read and written. */
const RIGHTS = [
  // VT-d 9.8: R is bit 0, W bit 1.
  { what: /^SS-/, read: 1n << 0n, write: 1n << 1n },
  // VT-d 9.7, and x86 as AMD's guest tables have it: P is bit 0, R/W bit 1.
  { what: /^(?:FS-|guest )/, read: 1n << 0n, write: 1n << 1n },
  // AMD's host tables: IR is bit 61, IW bit 62.
  { what: /^host /, read: 1n << 61n, write: 1n << 62n },
] as const;

interface EntryBits {
  readonly what: string;
  readonly mask: bigint;
  readonly kernel?: bigint;
  readonly nested?: bigint;
  readonly blocked?: bigint;
}

/** Where a device's own entry says what becomes of its requests: these bits, with these values. */
const ENTRIES: readonly EntryBits[] = [
  // VT-d 9.3: P is bit 0, TT bits 3:2, and 0 is the second stage.
  { what: 'context entry', mask: 0xdn, kernel: 0x1n },
  // VT-d 9.4: P is bit 0.
  { what: 'scalable-mode context entry', mask: 0x1n },
  // VT-d 9.6: P is bit 0, PGTT bits 8:6; 2 is the second stage alone, 3 both stages.
  { what: 'PASID-table entry', mask: 0x1c1n, kernel: 0x81n, nested: 0xc1n },
  // AMD's device table entry: V is bit 0, TV bit 1, GV bit 55, IR bit 61, IW bit 62. Without rights nothing passes.
  {
    what: 'DTE',
    mask: 0x6080_0000_0000_0003n,
    kernel: 0x6000_0000_0000_0003n,
    nested: 0x6080_0000_0000_0003n,
    blocked: 0x3n,
  },
];

const LEADS = {
  kernel: 'leads to a table of the kernel',
  nested: 'leads to a table of the process, within one of the kernel',
  blocked: 'leads nowhere',
} as const;

/** Where a device's own entry leads its requests without PASID. */
export function expectEntry(s: Stage, device: string, leads: keyof typeof LEADS): void {
  const entries = s.look.tables(device, 0n).device;
  const known = entries.flatMap((entry) =>
    ENTRIES.filter(({ what }) => what === entry.what).map((bits) => ({ bits, entry })),
  );
  const { bits, entry } = known.at(-1) ?? {};
  if (bits === undefined || entry === undefined) {
    s.check(`${device} has an entry.`, false);
    return;
  }
  const expected = { blocked: 0n, ...bits }[leads];
  s.expect(`${device}’s ${entry.what} ${LEADS[leads]}.`, entry.value & bits.mask, expected);
}

/** The device tries to read, and is refused. The kernel has time to read the fault, so that it does that beside no other call. */
export function* expectRefused(s: Stage, sentence: string, engine: DmaEngineDriver, iova: bigint): Script {
  s.expect(sentence, (yield* engine.read(iova, 4)).ok, false);
  yield us(20);
}

export interface ExpectedPage {
  readonly device: string;
  readonly iova: bigint;
  readonly program: Program;
  /** Where the process has the page. */
  readonly vaddr: bigint;
  readonly write: boolean;
}

/** The last entry on the way of a device's requests: it names the frame that the process has there, and gives these rights. */
export function expectPage(s: Stage, { device, iova, program, vaddr, write }: ExpectedPage): void {
  const walk = s.look.tables(device, iova).stages.at(-1);
  const physical = s.look.physical(program, vaddr);
  const leaf = walk?.entries.at(-1);
  const rights = RIGHTS.find(({ what }) => what.test(leaf?.what ?? ''));
  const at = `0x${iova.toString(16)}`;
  s.check(`The process has a page in memory for ${device}’s ${at}.`, physical !== undefined);
  s.expect(
    `The ${leaf?.what ?? 'entry'} of ${device}’s ${at} has the frame of the process’s page.`,
    leaf && leaf.value & ADDRESS,
    physical,
  );
  s.expect(
    `Its permission bits say ${write ? 'reading and writing' : 'reading only'}.`,
    rights && { read: ((leaf?.value ?? 0n) & rights.read) !== 0n, write: ((leaf?.value ?? 0n) & rights.write) !== 0n },
    { read: true, write },
  );
}

/** Where the kernel’s table for a device begins, as the device’s own entry says. */
export function rootOf(s: Stage, device: string): bigint | undefined {
  const { device: entries } = s.look.tables(device, 0n);
  const names = ['SSPTPTR', 'HostPTRoot', 'FSPTPTR'];
  for (const { fields } of [...entries].reverse()) {
    const field = fields.find(({ name, value }) => names.includes(name) && value !== 0n);
    if (field !== undefined) return BigInt(field.text);
  }
  return undefined;
}

/** The word that led to a page: where it is, to look at it again later. */
export function leafOf(s: Stage, device: string, iova: bigint): number {
  const leaf = s.look.tables(device, iova).stages.at(-1)?.entries.at(-1);
  if (leaf === undefined) throw new Error(`no entry of ${device} stands for 0x${iova.toString(16)}`);
  return leaf.address;
}
