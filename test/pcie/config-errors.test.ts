import { beforeEach, describe, expect, it } from 'vitest';
import { ConfigSpace } from '../../hardware/pcie/index.ts';
import { EVERYTHING, HEADER, ROOT_PORT } from './config-functions.ts';

const AER = 0x100;
const COMPLETION_TIMEOUT = 14;
const COMPLETER_ABORT = 15;
const MALFORMED = 18;
const UNSUPPORTED = 20;
const OTHER_HEADER = [1, 2, 3, 4];
const COR = 0x30;
const NONFATAL = 0x31;
const FATAL = 0x33;

let config: ConfigSpace;
const report = (error: number, advisory = false, header: readonly number[] = HEADER) =>
  config.report({ error, header, advisory });
const word = (offset: number) => config.read(AER + offset, 4);
const log = () => [0x1c, 0x20, 0x24, 0x28].map(word);

beforeEach(() => {
  config = new ConfigSpace(EVERYTHING);
  config.write(0x48, 2, 0x000f);
});

describe('Advanced error reporting', () => {
  it('comes up with the severities and masks of the specification', () => {
    expect([word(0x04), word(0x08), word(0x0c), word(0x10), word(0x14)]).toEqual([
      0, 0x0240_0000, 0x0046_2030, 0, 0x0000_e000,
    ]);
  });

  it('logs the first error with its header, and tells by its severity', () => {
    expect(report(COMPLETION_TIMEOUT)).toBe(NONFATAL);
    expect([word(0x04), word(0x18), ...log()]).toEqual([1 << 14, 14, ...HEADER]);
    expect([config.read(0x4a, 2), config.read(0x06, 2)]).toEqual([0x0002, 0x0010]);
    expect(report(MALFORMED)).toBe(FATAL);
    expect(config.read(0x4a, 2)).toBe(0x0006);
  });

  it('keeps pointer and header with the first error until software clears that one', () => {
    report(COMPLETION_TIMEOUT);
    report(MALFORMED, false, OTHER_HEADER);
    report(COMPLETION_TIMEOUT, false, OTHER_HEADER);
    expect([word(0x04), word(0x18), ...log()]).toEqual([(1 << 14) | (1 << 18), 14, ...HEADER]);
    config.write(AER + 4, 4, 1 << 14);
    report(UNSUPPORTED, false, OTHER_HEADER);
    expect([word(0x04), word(0x18), ...log()]).toEqual([(1 << 18) | (1 << 20), 20, ...OTHER_HEADER]);
  });

  it('remembers a masked error in its status only', () => {
    config.write(AER + 8, 4, 1 << 14);
    expect(report(COMPLETION_TIMEOUT)).toBe(0);
    expect([word(0x04), word(0x18), ...log()]).toEqual([1 << 14, 0, 0, 0, 0, 0]);
  });

  it('makes fatal what software says is fatal', () => {
    config.write(AER + 0x0c, 4, 1 << 20);
    expect([report(UNSUPPORTED), report(UNSUPPORTED, true), report(MALFORMED)]).toEqual([FATAL, FATAL, NONFATAL]);
  });

  it('leaves to the requester what is advisory: a correctable error that is masked at first', () => {
    expect(report(COMPLETER_ABORT, true)).toBe(0);
    expect([word(0x04), word(0x10), config.read(0x4a, 2)]).toEqual([0, 1 << 13, 0x0001]);
    config.write(AER + 0x14, 4, 0);
    expect(report(COMPLETER_ABORT, true)).toBe(COR);
    expect([word(0x04), word(0x18), ...log()]).toEqual([1 << 15, 15, ...HEADER]);
  });

  it('tells nothing that Device Control does not ask for', () => {
    config.write(0x48, 2, 0x0008);
    expect([report(COMPLETION_TIMEOUT), report(MALFORMED), report(UNSUPPORTED)]).toEqual([0, 0, 0]);
    config.write(0x48, 2, 0x0007);
    expect([report(COMPLETION_TIMEOUT), report(UNSUPPORTED)]).toEqual([NONFATAL, 0]);
    expect(config.read(0x4a, 2)).toBe(0x000e);
  });

  it('tells uncorrectable errors by SERR# Enable, too, and says so in Status', () => {
    config.write(0x48, 2, 0);
    config.write(0x04, 2, 0x0100);
    expect([report(COMPLETION_TIMEOUT), config.read(0x06, 2)]).toEqual([NONFATAL, 0x4010]);
    expect([report(UNSUPPORTED), report(COMPLETER_ABORT, true)]).toEqual([NONFATAL, 0]);
  });

  it('keeps a correctable error that is masked, and tells one that is not', () => {
    expect([config.aer!.logCorrectable(6), config.aer!.logCorrectable(14), word(0x10)]).toEqual([
      true,
      false,
      (1 << 6) | (1 << 14),
    ]);
    config.write(AER + 0x10, 4, 1 << 6);
    expect(word(0x10)).toBe(1 << 14);
  });

  it('counts as Signaled Target Abort what the function completes with CA', () => {
    config.noteCompleterAbort();
    expect(config.read(0x06, 2)).toBe(0x0810);
  });
});

describe('A root port that takes error messages', () => {
  beforeEach(() => {
    config = new ConfigSpace(ROOT_PORT);
  });

  it('notes the first source of each kind, and that there were more', () => {
    const { aer } = config;
    aer!.receive(COR, 0x0108);
    aer!.receive(COR, 0x0110);
    expect([word(0x30), word(0x34)]).toEqual([0x0000_0003, 0x0000_0108]);
    aer!.receive(NONFATAL, 0x0200);
    expect([word(0x30), word(0x34)]).toEqual([0x0000_0027, 0x0200_0108]);
    aer!.receive(FATAL, 0x0300);
    expect([word(0x30), word(0x34)]).toEqual([0x0000_006f, 0x0200_0108]);
    config.write(AER + 0x30, 4, 0x0000_007f);
    aer!.receive(FATAL, 0x0300);
    expect([word(0x30), word(0x34)]).toEqual([0x0000_0054, 0x0300_0108]);
  });

  it('interrupts for what software asks for', () => {
    const kinds = [COR, NONFATAL, FATAL];
    expect(kinds.map((kind) => config.aer!.receive(kind, 0x0100))).toEqual([false, false, false]);
    for (const [bit, wanted] of [
      [1, [true, false, false]],
      [2, [false, true, false]],
      [4, [false, false, true]],
    ] as const) {
      config.write(AER + 0x2c, 4, bit);
      expect(kinds.map((kind) => config.aer!.receive(kind, 0x0100))).toEqual(wanted);
    }
  });

  it('is no endpoint: one has no root registers', () => {
    const endpoint = new ConfigSpace(EVERYTHING);
    endpoint.write(AER + 0x2c, 4, 7);
    expect([endpoint.aer!.receive(FATAL, 0x0100), endpoint.read(AER + 0x2c, 4), endpoint.read(AER + 0x30, 4)]).toEqual([
      false,
      0,
      0,
    ]);
  });
});
