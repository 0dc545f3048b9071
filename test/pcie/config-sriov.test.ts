import { beforeEach, describe, expect, it } from 'vitest';
import { ConfigSpace, type ConfigSpec, virtualConfig } from '../../hardware/pcie/index.ts';
import { EVERYTHING, findExtended, HEADER, PLAIN, VF_BAR } from './config-functions.ts';

let physical: ConfigSpace;
let at: number;
beforeEach(() => {
  physical = new ConfigSpace(EVERYTHING);
  at = findExtended(physical, 0x10);
});

const virtual = (index: number) => new ConfigSpace(virtualConfig(EVERYTHING), { physical, index });

/** Places the array of VF base addresses 0, and enables `count` virtual functions with their memory space. */
function enable(count: number): void {
  physical.write(at + 0x24, 4, 0xe000_0000);
  physical.write(at + 0x28, 4, 0x12);
  physical.write(at + 0x10, 2, count);
  physical.write(at + 0x08, 2, 0x0009);
}

describe('The SR-IOV capability', () => {
  it('says how many virtual functions there can be, and which routing ids and device id they have', () => {
    const words = [0x0c, 0x10, 0x14, 0x18, 0x1c, 0x20].map((offset) => physical.read(at + offset, 4));
    expect(words).toEqual([0x0008_0008, 0, 0x0002_0080, 0x0003_0000, 0x553, 1]);
    const { sriov } = physical;
    expect([0, 1, 7].map((vf) => sriov!.routingId(0x0108, vf))).toEqual([0x0188, 0x018a, 0x0196]);
    expect([0x01f0, 0xfff0].map((rid) => sriov!.routingId(rid, 0))).toEqual([0x0270, 0x0070]);
  });

  it('has as many virtual functions as NumVFs says once VF Enable is set, and tells of them', () => {
    const seen: number[] = [];
    physical.sriov!.onVfs = (count) => seen.push(count);
    enable(4);
    expect([physical.sriov!.vfs, virtual(3).isPresent, virtual(4).isPresent]).toEqual([4, true, false]);
    physical.write(at + 0x08, 2, 0x0008);
    physical.write(at + 0x10, 2, 100);
    physical.write(at + 0x08, 2, 0x0001);
    expect([physical.sriov!.vfs, physical.sriov!.numVfs, seen]).toEqual([8, 100, [4, 0, 8]]);
  });

  it('keeps NumVFs and System Page Size while VF Enable is set', () => {
    enable(4);
    physical.write(at + 0x10, 2, 6);
    physical.write(at + 0x20, 4, 2);
    expect([physical.read(at + 0x10, 2), physical.read(at + 0x20, 4)]).toEqual([4, 1]);
  });

  it('tells the size of one virtual function in its base addresses', () => {
    physical.write(at + 0x24, 4, 0xffff_ffff);
    physical.write(at + 0x28, 4, 0xffff_ffff);
    physical.write(at + 0x2c, 4, 0xffff_ffff);
    const words = [0x24, 0x28, 0x2c].map((offset) => physical.read(at + offset, 4));
    expect(words).toEqual([0xffff_c00c, 0xffff_ffff, 0]);
  });

  it('spreads virtual functions by the system page size when that is larger', () => {
    physical.write(at + 0x20, 4, 0x10);
    enable(2);
    physical.write(at + 0x24, 4, 0xffff_ffff);
    expect(physical.read(at + 0x24, 4)).toBe(0xffff_000c);
    physical.write(at + 0x24, 4, 0xe000_0000);
    expect([0, 1].map((vf) => physical.sriov!.barAt(vf, VF_BAR))).toEqual([0x12_e000_0000, 0x12_e001_0000]);
  });

  it('takes what is no single page size that it supports for 4 KiB', () => {
    for (const size of [0, 3, 4, 0x8000_0000]) {
      physical.write(at + 0x20, 4, size);
      expect(physical.read(at + 0x20, 4)).toBe(1);
    }
  });

  it('cannot give a virtual function less than a page', () => {
    const sriov = { ...EVERYTHING.capabilities!.sriov!, bars: [{ ...VF_BAR, size: 0x800 }] };
    expect(() => new ConfigSpace({ ...PLAIN, capabilities: { sriov } })).toThrow('less than 4 KiB');
    expect(() => virtualConfig(PLAIN)).toThrow('without SR-IOV');
  });
});

describe('A virtual function', () => {
  it('says who it is in its physical function, and has no base addresses of its own', () => {
    const config = virtual(0);
    for (const offset of [0x10, 0x14, 0x18]) config.write(offset, 4, 0xffff_ffff);
    const words = [0x00, 0x10, 0x14, 0x18].map((offset) => config.read(offset, 4));
    expect(words).toEqual([0xffff_ffff, 0, 0, 0]);
  });

  it('answers at its part of the array while VF Enable and VF MSE are set, whatever its own Command says', () => {
    let changes = 0;
    physical.onDecode = () => changes++;
    const config = virtual(2);
    config.write(0x04, 2, 0xffff);
    expect([config.read(0x04, 2), config.barAt(VF_BAR)]).toEqual([0x0004, -1]);
    enable(3);
    expect([config.barAt(VF_BAR), virtual(3).barAt(VF_BAR), changes]).toEqual([0x12_e000_8000, -1, 3]);
    physical.write(at + 0x08, 2, 0x0001);
    expect([config.barAt(VF_BAR), changes]).toEqual([-1, 4]);
  });

  it('has bus mastering of its own', () => {
    enable(2);
    physical.write(0x04, 2, 0x0004);
    const config = virtual(0);
    expect([physical.busMaster, config.busMaster]).toEqual([true, false]);
    config.write(0x04, 2, 0x0004);
    expect(config.busMaster).toBe(true);
  });

  it('has payloads and reads as its physical function is programmed', () => {
    const config = virtual(0);
    config.write(0x48, 2, 0x7fff);
    expect([config.read(0x48, 2), config.maxPayload, config.maxReadRequest]).toEqual([0, 128, 512]);
    physical.write(0x48, 2, (2 << 5) | (5 << 12) | (1 << 8));
    expect([config.maxPayload, config.maxReadRequest, config.pciExpress!.tags]).toEqual([512, 4096, 256]);
  });

  it('shares queue and translation unit of ATS with its physical function, but enables ATS for itself', () => {
    const ats = findExtended(physical, 0x0f);
    const config = virtual(0);
    const own = findExtended(config, 0x0f);
    physical.write(ats + 6, 2, 0x0003);
    config.write(own + 6, 2, 0x801f);
    expect([config.read(own + 4, 2), config.read(own + 6, 2)]).toEqual([0x0020, 0x8000]);
    const { enabled, queueDepth, stu } = config.ats!;
    expect([enabled, queueDepth, stu, physical.ats!.enabled]).toEqual([true, 32, 3, false]);
  });

  it('has no PASID and no page request capability, but those of its physical function', () => {
    const config = virtual(0);
    expect([findExtended(config, 0x1b), findExtended(config, 0x13)]).toEqual([0, 0]);
    expect([config.pasid, config.pri]).toEqual([physical.pasid, physical.pri]);
  });

  it('logs errors of its own under the masks and severities of its physical function', () => {
    const aer = findExtended(physical, 0x01);
    const config = virtual(0);
    const own = findExtended(config, 0x01);
    config.write(own + 8, 4, 0xffff_ffff);
    config.write(own + 12, 4, 0xffff_ffff);
    expect([config.read(own + 8, 4), config.read(own + 12, 4)]).toEqual([0, 0]);
    physical.write(0x48, 2, 0x0007);
    physical.write(aer + 12, 4, 1 << 14);
    const found = { error: 14, header: HEADER, advisory: false };
    expect([config.report(found), config.read(own + 4, 4), physical.read(aer + 4, 4)]).toEqual([0x33, 1 << 14, 0]);
    physical.write(aer + 8, 4, 1 << 14);
    expect(config.report(found)).toBe(0);
  });

  it('is a new one after VF Enable was 0', () => {
    enable(2);
    const config = virtual(1);
    let resets = 0;
    config.onFlr = () => resets++;
    config.write(0x04, 2, 0x0004);
    physical.write(at + 0x08, 2, 0);
    physical.write(at + 0x08, 2, 0x0009);
    expect([config.busMaster, resets]).toEqual([false, 1]);
  });

  it('can be reset alone, even if its physical function cannot', () => {
    const { sriov } = EVERYTHING.capabilities!;
    const spec: ConfigSpec = { ...PLAIN, capabilities: { sriov: sriov! } };
    physical = new ConfigSpace(spec);
    const config = new ConfigSpace(virtualConfig(spec), { physical, index: 0 });
    expect([physical.read(0x47, 1), config.read(0x47, 1)]).toEqual([0x00, 0x10]);
  });

  it('is gone with a function-level reset of its physical function, and not with its own', () => {
    const { sriov } = EVERYTHING.capabilities!;
    const spec: ConfigSpec = { ...PLAIN, pciExpress: { flr: true }, capabilities: { sriov: sriov! } };
    physical = new ConfigSpace(spec);
    at = findExtended(physical, 0x10);
    enable(2);
    const config = new ConfigSpace(virtualConfig(spec), { physical, index: 1 });
    config.write(0x48, 2, 0x8000);
    expect([config.isPresent, config.barAt(VF_BAR)]).toEqual([true, 0x12_e000_4000]);
    physical.write(0x48, 2, 0x8000);
    expect([config.isPresent, physical.sriov!.vfs]).toEqual([false, 0]);
  });
});
