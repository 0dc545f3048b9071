/** Events about hardware errors are kept in registers, too, for software that cannot read the log (fact sheet 1.4). */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import { ALL, Parts, REG } from './parts.ts';

describe('Hardware errors', () => {
  const ERRORS = [0x3, 0x4, 0x6];

  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])('of code %s are kept in registers if they are hardware errors.', (code) => {
    proves('Hardware Event Status.HEV', 'Extended Feature.HESup', 'event', 'event.EventCode');
    const parts = new Parts();
    parts.logEvent((BigInt(code) << 60n) | 0x0108n, 0x1234_5678_9abc_def0n);
    const kept = [parts.get(REG.HARDWARE_UPPER), parts.get(REG.HARDWARE_LOWER), parts.get(REG.HARDWARE_STATUS)];
    const expected = [(BigInt(code) << 60n) | 0x0108n, 0x1234_5678_9abc_def0n, 1n];
    expect(kept).toEqual(ERRORS.includes(code) ? expected : [0n, 0n, 0n]);
  });

  it('that follow the first are only counted as overflow, until software has cleared HEV.', () => {
    proves('Hardware Event Status.HEO');
    const parts = new Parts();
    parts.logEvent(0x3000_0000_0000_0001n, 1n);
    parts.logEvent(0x4000_0000_0000_0002n, 2n);
    expect([parts.get(REG.HARDWARE_LOWER), parts.get(REG.HARDWARE_STATUS)]).toEqual([1n, 0b11n]);
    parts.set(REG.HARDWARE_STATUS, 0b11n);
    parts.logEvent(0x6000_0000_0000_0003n, 3n);
    expect([parts.get(REG.HARDWARE_LOWER), parts.get(REG.HARDWARE_STATUS)]).toEqual([3n, 0b01n]);
  });

  it('are not kept by a unit without the registers.', () => {
    const parts = new Parts(ALL & ~(1n << 8n));
    parts.logEvent(0x3000_0000_0000_0001n, 1n);
    expect([REG.HARDWARE_UPPER, REG.HARDWARE_LOWER, REG.HARDWARE_STATUS].map((at) => parts.get(at))).toEqual([
      0n,
      0n,
      0n,
    ]);
  });

  it('leave their registers to software, which may write any event there.', () => {
    proves('Hardware Event Upper.FirstEvOperand', 'Hardware Event Upper.EventCode');
    proves('Hardware Event Lower.SecondEvOperand');
    const parts = new Parts();
    for (const register of [REG.HARDWARE_UPPER, REG.HARDWARE_LOWER]) {
      parts.set(register, 0xffff_ffff_ffff_ffffn);
      expect(parts.get(register)).toBe(0xffff_ffff_ffff_ffffn);
    }
  });
});
