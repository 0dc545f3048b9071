/** The command buffer (amd-vi.md section 4): what a command must look like, and what becomes of one that does not. */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import {
  ALL,
  Bench,
  COMMANDS,
  COMMANDS_EN,
  COMMANDS_RUN,
  EVENT_LOG_EN,
  INVALIDATE_ALL,
  IOMMU_EN,
  type Pair,
  RAM,
  REG,
  STORE,
} from './bench.ts';

const COMPLETION_WAIT = 0x1000_0000_0000_0000n;
/** A store of `data` at STORE. */
const wait = (data: bigint): Pair => [COMPLETION_WAIT | STORE | 1n, data];
const stored = (bench: Bench): bigint => bench.read64(STORE);
const runs = (bench: Bench): boolean => (bench.get(REG.STATUS) & COMMANDS_RUN) !== 0n;
const OPCODE = [60, 61, 62, 63];
const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i);
const without = (bits: readonly number[]) => range(0, 127).filter((bit) => ![...bits, ...OPCODE].includes(bit));

/** By opcode: the bits that are reserved with every feature there is. */
const RESERVED: Readonly<Record<number, readonly number[]>> = {
  1: range(52, 59),
  2: without(range(0, 15)),
  3: [...range(20, 31), ...range(48, 59), ...range(67, 75)],
  4: [65, 67, ...range(70, 75)],
  5: without(range(0, 15)),
  6: [...range(16, 23), ...range(52, 59), 65, 67, ...range(69, 75)],
  7: [...range(16, 31), ...range(52, 59), 64, 65, ...range(67, 95), ...range(105, 107), ...range(112, 127)],
  8: without([]),
};

/** What makes them legal. */
const FEATURES: Readonly<Record<number, readonly string[]>> = {
  3: ['GTSup'],
  4: ['GTSup', 'InvIotlbTypeSup'],
  6: ['PreFSup'],
  7: ['PPRSup'],
  8: ['IASup'],
};

function withBit(opcode: number, bit: number | null): Pair {
  const whole = (BigInt(opcode) << 60n) | (bit === null ? 0n : 1n << BigInt(bit));
  return [whole & 0xffff_ffff_ffff_ffffn, whole >> 64n];
}

/** Stops the processor and starts it again, as software does after an error. */
function restart(bench: Bench): void {
  bench.set(REG.CONTROL, IOMMU_EN | EVENT_LOG_EN);
  expect(runs(bench)).toBe(false);
  bench.enable();
}

/** Whether a unit finds a command illegal; it then goes on with the next one. */
function isIllegal(bench: Bench, command: Pair): boolean {
  bench.submit(command);
  if (runs(bench)) return false;
  const at = bench.get(REG.COMMAND_HEAD);
  expect(bench.events()).toEqual([[0x5000_0000_0000_0000n, COMMANDS + at]]);
  bench.write64(COMMANDS + at, ...INVALIDATE_ALL);
  restart(bench);
  expect(bench.get(REG.COMMAND_HEAD)).toBe(bench.get(REG.COMMAND_TAIL));
  return true;
}

describe('A command', () => {
  it('of an unknown opcode is illegal.', () => {
    proves('command.Opcode', 'ILLEGAL_COMMAND_ERROR.EventCode', 'ILLEGAL_COMMAND_ERROR.Address');
    const bench = new Bench().enable();
    const illegal = range(0, 15).filter((opcode) => isIllegal(bench, withBit(opcode, null)));
    expect(illegal).toEqual([0, 9, 10, 11, 12, 13, 14, 15]);
  });

  it.each(range(1, 8))('of opcode %i is illegal with any reserved bit, and with no other bit.', (opcode) => {
    if (opcode === 4) proves('Capability Header.IotlbSup');
    for (const feature of FEATURES[opcode] ?? []) proves(`Extended Feature.${feature}`);
    const bench = new Bench().enable();
    const illegal = without([]).filter((bit) => isIllegal(bench, withBit(opcode, bit)));
    expect(illegal).toEqual(RESERVED[opcode]);
  });

  it.each([
    { opcode: 6, feature: 'PreFSup', bit: 0n },
    { opcode: 7, feature: 'PPRSup', bit: 1n },
    { opcode: 8, feature: 'IASup', bit: 6n },
  ])('of opcode $opcode is illegal without $feature of the unit.', ({ opcode, bit }) => {
    const bench = new Bench({ efr: ALL & ~(1n << bit) }).enable();
    bench.submit(withBit(opcode, null));
    expect(runs(bench)).toBe(false);
    expect(bench.events()).toEqual([[0x5000_0000_0000_0000n, COMMANDS]]);
  });

  it('for device-TLBs is illegal without IotlbSup.', () => {
    // CapID 0Fh, CapType 3, CapRev 1, EFRSup and CapExt, but no IotlbSup.
    const bench = new Bench({ capHeader: 0x180b_000fn }).enable();
    bench.submit(withBit(4, null));
    expect(runs(bench)).toBe(false);
  });

  it.each([
    { opcode: 3, bits: [0, 19, 66], feature: 'GTSup', bit: 4n },
    { opcode: 4, bits: [16, 55, 59, 66], feature: 'GTSup', bit: 4n },
    { opcode: 4, bits: [68, 69], feature: 'InvIotlbTypeSup', bit: 54n },
    { opcode: 6, bits: [32, 51, 66], feature: 'GTSup', bit: 4n },
  ])('of opcode $opcode may not name what needs $feature where that is missing.', ({ opcode, bits, bit }) => {
    const bench = new Bench({ efr: ALL & ~(1n << bit) }).enable();
    for (const one of bits) expect(isIllegal(bench, withBit(opcode, one)), `bit ${one}`).toBe(true);
    expect(isIllegal(bench, withBit(opcode, null))).toBe(false);
  });
});

describe('After an illegal command', () => {
  it('nothing is fetched, whatever the tail does, until the processor is switched off and on.', () => {
    proves('Status.CmdBufRun', 'Control.CmdBufEn', 'Command Buffer Head.CmdHdptr');
    const bench = new Bench().enable();
    bench.submit(wait(1n), [0n, 0n], wait(2n));
    expect(stored(bench)).toBe(1n);
    expect(bench.get(REG.COMMAND_HEAD)).toBe(0x10n);
    bench.submit(wait(3n)).enable();
    expect(stored(bench)).toBe(1n);
    expect(bench.events()).toEqual([[0x5000_0000_0000_0000n, COMMANDS + 0x10n]]);
    // Software mends the command in its place.
    bench.write64(COMMANDS + 0x10n, ...INVALIDATE_ALL);
    restart(bench);
    expect(runs(bench)).toBe(true);
    expect(stored(bench)).toBe(3n);
    expect(bench.get(REG.COMMAND_HEAD)).toBe(0x40n);
  });

  it('a restart without a remedy meets it again.', () => {
    const bench = new Bench().enable();
    bench.submit([0n, 0n]);
    restart(bench);
    expect(runs(bench)).toBe(false);
    expect(bench.events()).toHaveLength(2);
  });

  it('software may set the head behind it, or to 0 by a new base.', () => {
    const bench = new Bench().enable();
    bench.submit([0n, 0n], wait(5n));
    bench.set(REG.CONTROL, IOMMU_EN).set(REG.COMMAND_HEAD, 0x10n).enable();
    expect(stored(bench)).toBe(5n);
    bench.submit([0n, 0n]).set(REG.CONTROL, IOMMU_EN);
    bench.set(REG.COMMAND_BASE, 0x0800_0000_0000_0000n | COMMANDS);
    expect([bench.get(REG.COMMAND_HEAD), bench.get(REG.COMMAND_TAIL)]).toEqual([0n, 0n]);
    bench.enable();
    expect(runs(bench)).toBe(true);
  });
});

describe('Memory that does not answer', () => {
  it('stops the processor where a command cannot be fetched.', () => {
    proves('COMMAND_HARDWARE_ERROR.EventCode', 'COMMAND_HARDWARE_ERROR.Type', 'COMMAND_HARDWARE_ERROR.Address');
    const bench = new Bench().set(REG.COMMAND_BASE, 0x0800_0000_0000_0000n | RAM).enable();
    bench.set(REG.COMMAND_TAIL, 0x20n);
    expect(runs(bench)).toBe(false);
    expect(bench.get(REG.COMMAND_HEAD)).toBe(0n);
    expect(bench.events()).toEqual([[0x6200_0000_0000_0000n, RAM]]);
  });

  it('stops it where a COMPLETION_WAIT cannot store.', () => {
    const bench = new Bench().enable();
    bench.submit([COMPLETION_WAIT | 0xf_ffff_ffff_fff8n | 3n, 1n]);
    expect(runs(bench)).toBe(false);
    // I has not happened: the command has not completed.
    expect(bench.get(REG.STATUS) & 4n).toBe(0n);
    expect(bench.events()).toEqual([[0x6200_0000_0000_0000n, 0xf_ffff_ffff_fff8n]]);
  });
});

describe('COMPLETION_WAIT', () => {
  it('with S stores 8 bytes, and nothing without it.', () => {
    proves('COMPLETION_WAIT.S', 'COMPLETION_WAIT.StoreAddress', 'COMPLETION_WAIT.StoreData');
    const bench = new Bench().write64(STORE, 1n, 2n).enable();
    bench.submit([COMPLETION_WAIT | (STORE + 8n), 5n]);
    expect([stored(bench), bench.read64(STORE + 8n)]).toEqual([1n, 2n]);
    bench.submit([COMPLETION_WAIT | (STORE + 8n) | 1n, 0xfedc_ba98_7654_3210n]);
    expect([stored(bench), bench.read64(STORE + 8n)]).toEqual([1n, 0xfedc_ba98_7654_3210n]);
  });

  it('with I sets ComWaitInt; with ComWaitIntEn its edge is an interrupt, and only its edge.', () => {
    proves('COMPLETION_WAIT.I', 'Control.ComWaitIntEn', 'Status.ComWaitInt');
    const bench = new Bench();
    // MSIs of the function to FEE0_1000h.
    bench.rig.writeConfig(0x68, 4, 0xfee0_1000);
    bench.rig.writeConfig(0x64, 4, 0x0001_0000);
    bench.enable().submit([COMPLETION_WAIT, 0n]);
    expect(bench.get(REG.STATUS) & 4n).toBe(0n);
    bench.submit([COMPLETION_WAIT | 2n, 0n]);
    expect(bench.get(REG.STATUS) & 4n).toBe(4n);
    expect(bench.messages).toEqual([]);
    bench
      .set(REG.STATUS, 4n)
      .enable(1n << 4n)
      .submit([COMPLETION_WAIT | 2n, 0n], [COMPLETION_WAIT | 2n, 0n]);
    expect(bench.messages).toHaveLength(1);
    bench.set(REG.STATUS, 4n).submit([COMPLETION_WAIT | 6n, 0n]);
    expect(bench.messages).toHaveLength(2);
  });
});

describe('The ring', () => {
  it('wraps at its end.', () => {
    proves('Command Buffer Base.ComLen', 'Command Buffer Base.ComBase', 'Command Buffer Tail.CmdTailptr');
    const bench = new Bench().enable();
    for (let n = 0; n < 300; n++) bench.submit(wait(BigInt(n)));
    expect(stored(bench)).toBe(299n);
    expect(bench.get(REG.COMMAND_HEAD)).toBe((300n * 16n) % 4096n);
    // A run across the end: the last place, and then the first.
    for (let n = 0; n < 200; n++) bench.submit(wait(0n));
    bench.set(REG.CONTROL, IOMMU_EN | EVENT_LOG_EN).submit(...range(1, 100).map((n) => wait(BigInt(n))));
    bench.enable();
    expect(stored(bench)).toBe(100n);
  });

  it.each(range(8, 15))('of length code %i has 2 to that many commands.', (length) => {
    const bench = new Bench().set(REG.COMMAND_BASE, (BigInt(length) << 56n) | 0x10_0000n);
    const last = 2n ** BigInt(length) * 16n - 16n;
    bench.write64(0x10_0000n + last, ...wait(1n)).write64(0x10_0000n, ...wait(2n));
    bench.set(REG.COMMAND_HEAD, last).set(REG.COMMAND_TAIL, last).enable();
    bench.set(REG.COMMAND_TAIL, 0n);
    expect(stored(bench)).toBe(1n);
    expect(bench.get(REG.COMMAND_HEAD)).toBe(0n);
    bench.set(REG.COMMAND_TAIL, 0x10n);
    expect(stored(bench)).toBe(2n);
  });

  it.each(range(0, 7))('of the reserved length code %i does not run.', (length) => {
    const bench = new Bench().set(REG.COMMAND_BASE, (BigInt(length) << 56n) | COMMANDS).enable();
    bench.submit(wait(1n));
    expect(runs(bench)).toBe(false);
    expect(stored(bench)).toBe(0n);
  });

  it('takes a tail beyond it modulo its size, and one run ends there.', () => {
    const bench = new Bench().enable();
    for (let at = 0n; at < 4096n; at += 16n) bench.write64(COMMANDS + at, ...wait(at));
    bench.set(REG.COMMAND_TAIL, 0x7_1020n);
    expect(stored(bench)).toBe(0x10n);
    expect(bench.get(REG.COMMAND_HEAD)).toBe(0x20n);
    expect(runs(bench)).toBe(true);
  });

  it('is dead while IommuEn or CmdBufEn is 0, and its head takes no write while it runs.', () => {
    proves('Control.CmdBufEn', 'Control.IommuEn');
    for (const control of [0n, IOMMU_EN, COMMANDS_EN]) {
      const bench = new Bench().set(REG.CONTROL, control).submit(wait(1n));
      expect(stored(bench)).toBe(0n);
      // What waits is carried out when the processor begins to run.
      bench.enable();
      expect(stored(bench)).toBe(1n);
      bench.set(REG.COMMAND_HEAD, 0x80n);
      expect(bench.get(REG.COMMAND_HEAD)).toBe(0x10n);
    }
  });
});
