import { describe, expect, it } from 'vitest';
import { AcsBit, ConfigSpace } from '../../hardware/pcie/index.ts';
import { EVERYTHING, findExtended, PLAIN, ROOT_PORT } from './config-functions.ts';

describe('The ACS capability', () => {
  it('of a root port has the services that it says, and switches those', () => {
    const config = new ConfigSpace(ROOT_PORT);
    const at = findExtended(config, 0x0d);
    let changes = 0;
    config.acs!.onChange = () => changes++;
    expect(config.read(at + 4, 4)).toBe(0x0000_005f);
    config.write(at + 6, 2, 0xffff);
    expect([config.read(at + 6, 2), changes]).toEqual([0x5f, 1]);
    config.write(at + 6, 2, 0x1d);
    const { acs } = config;
    const isOn = Object.entries(AcsBit).filter(([, bit]) => acs!.has(bit));
    expect(isOn.map(([name]) => name)).toEqual([
      'SOURCE_VALIDATION',
      'REQUEST_REDIRECT',
      'COMPLETION_REDIRECT',
      'UPSTREAM_FORWARDING',
    ]);
    expect([acs!.has(0x1d), acs!.has(0x1f)]).toEqual([true, false]);
  });

  it('forbids by its egress control vector what each bit stands for, while egress control is on', () => {
    const config = new ConfigSpace(EVERYTHING);
    const at = findExtended(config, 0x0d);
    expect(config.read(at + 4, 2)).toBe(0x2824);
    config.write(at + 8, 4, 0x8000_0001);
    config.write(at + 12, 4, 0xffff_ffff);
    expect(config.read(at + 12, 4)).toBe(0xff);
    expect(config.acs!.blocks(0)).toBe(false);
    config.write(at + 6, 2, AcsBit.EGRESS_CONTROL);
    const targets = [0, 1, 31, 32, 39, 40];
    expect(targets.map((target) => config.acs!.blocks(target))).toEqual([true, false, true, true, true, false]);
  });

  it('says 0 for a vector of 256 bits, and needs a vector exactly when there is egress control', () => {
    const make = (acs: { services: number; egressTargets?: number }) =>
      new ConfigSpace({ ...PLAIN, capabilities: { acs } });
    const most = make({ services: 0x20, egressTargets: 256 });
    most.write(0x106, 2, 0x20);
    most.write(0x124, 4, 0x8000_0000);
    expect([most.read(0x104, 2), most.acs!.blocks(255)]).toEqual([0x0020, true]);
    expect(() => make({ services: 0x20 })).toThrow('do not fit services 0x20');
    expect(() => make({ services: 0x01, egressTargets: 8 })).toThrow('do not fit services 0x1');
    expect(() => make({ services: 0x20, egressTargets: 257 })).toThrow('257 targets');
  });
});

describe('The ARI capability', () => {
  it('names the next function of the device', () => {
    const config = new ConfigSpace(EVERYTHING);
    const at = findExtended(config, 0x0e);
    expect([config.read(at + 4, 4), config.ari!.nextFunction]).toEqual([0x0400, 4]);
  });
});
