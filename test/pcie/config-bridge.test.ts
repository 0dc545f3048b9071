import { beforeEach, describe, expect, it } from 'vitest';
import { ConfigSpace } from '../../hardware/pcie/index.ts';
import { PLAIN, ROOT_PORT } from './config-functions.ts';

let config: ConfigSpace;
beforeEach(() => {
  config = new ConfigSpace(ROOT_PORT);
});

describe('A header of type 1', () => {
  it('is what ports and bridges have, and endpoints do not', () => {
    const types = [0, 1, 4, 5, 6, 7, 8, 9, 10].map((portType) => {
      const one = new ConfigSpace({ ...PLAIN, portType });
      return one.bridge === null ? one.read(0x0e, 1) : -one.read(0x0e, 1);
    });
    expect(types).toEqual([0, 0, -1, -1, -1, -1, -1, 0, 0]);
    config.describePlace(4, 4, true);
    expect(config.read(0x0e, 1)).toBe(0x81);
  });

  it('has two base addresses and no more', () => {
    const wide = { size: 0x1000, wide: true, prefetchable: false };
    expect(new ConfigSpace({ ...ROOT_PORT, bars: [{ index: 0, ...wide }] }).read(0x10, 4)).toBe(4);
    expect(() => new ConfigSpace({ ...ROOT_PORT, bars: [{ index: 1, ...wide }] })).toThrow('not possible');
  });

  it('says which buses are behind the bridge', () => {
    let changes = 0;
    config.onDecode = () => changes++;
    config.write(0x18, 4, 0xff_05_02_01);
    const { bridge } = config;
    expect([bridge!.primary, bridge!.secondary, bridge!.subordinate, changes]).toEqual([1, 2, 5, 1]);
    expect([1, 2, 5, 6].map((bus) => bridge!.leadsTo(bus))).toEqual([false, true, true, false]);
    expect(config.read(0x18, 4)).toBe(0x00_05_02_01);
  });

  it('leads to no bus before it is numbered', () => {
    expect(config.bridge!.leadsTo(0)).toBe(false);
  });

  it('forwards two windows while Memory Space Enable is set', () => {
    config.write(0x20, 4, 0xe01f_e000);
    config.write(0x24, 4, 0x0011_fff1);
    config.write(0x28, 4, 0x0000_0001);
    config.write(0x2c, 4, 0x0000_0002);
    const { bridge } = config;
    expect([bridge!.memory, bridge!.prefetchable, bridge!.forwards(0xe000_0000)]).toEqual([null, null, false]);
    config.write(0x04, 2, 0x0002);
    expect(bridge!.memory).toEqual({ start: 0xe000_0000, end: 0xe020_0000 });
    expect(bridge!.prefetchable).toEqual({ start: 0x1_fff0_0000, end: 0x2_0020_0000 });
    const addresses = [0xdfff_ffff, 0xe000_0000, 0xe01f_ffff, 0xe020_0000, 0x1_fff0_0000, 0x2_001f_ffff, 0x2_0020_0000];
    expect(addresses.map((address) => bridge!.forwards(address))).toEqual([
      false,
      true,
      true,
      false,
      true,
      true,
      false,
    ]);
  });

  it('has a 64-bit prefetchable window, and no I/O window', () => {
    for (const offset of [0x1c, 0x20, 0x24, 0x30]) config.write(offset, 4, 0xffff_ffff);
    const words = [0x1c, 0x20, 0x24, 0x30].map((offset) => config.read(offset, 4));
    expect(words).toEqual([0, 0xfff0_fff0, 0xfff1_fff1, 0]);
  });

  it('forwards nothing through a window whose limit is below its base', () => {
    config.write(0x04, 2, 0x0002);
    config.write(0x20, 4, 0x0000_fff0);
    config.write(0x24, 4, 0x0000_fff0);
    expect([config.bridge!.memory, config.bridge!.prefetchable]).toEqual([null, null]);
  });

  it('holds the secondary bus in reset as long as software wants it', () => {
    const seen: boolean[] = [];
    config.bridge!.onSecondaryReset = (asserted) => seen.push(asserted);
    config.write(0x3e, 2, 0x0043);
    expect([config.bridge!.secondaryReset, config.read(0x3e, 2)]).toEqual([true, 0x0043]);
    config.write(0x3c, 1, 0x0b);
    config.write(0x3e, 2, 0x0003);
    expect([seen, config.bridge!.secondaryReset]).toEqual([[true, false], false]);
  });

  it('is new after a reset', () => {
    config.write(0x04, 2, 0x0002);
    config.write(0x18, 4, 0x05_02_01);
    config.write(0x20, 4, 0xe010_e000);
    config.reset();
    const { primary, secondary, subordinate, memory } = config.bridge!;
    expect([primary, secondary, subordinate, memory]).toEqual([0, 0, 0, null]);
  });
});
