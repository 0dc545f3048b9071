import { beforeEach, describe, expect, it } from 'vitest';
import { ConfigSpace } from '../../hardware/pcie/index.ts';
import { EVERYTHING, findExtended, PLAIN } from './config-functions.ts';

let config: ConfigSpace;
beforeEach(() => {
  config = new ConfigSpace(EVERYTHING);
});

const having = (capabilities: object) => new ConfigSpace({ ...PLAIN, capabilities });

describe('The ATS capability', () => {
  const at = () => findExtended(config, 0x0f);

  it('says how many invalidate requests the function holds, 32 as 0', () => {
    expect([config.read(at() + 4, 2), config.ats!.queueDepth]).toEqual([0x0060, 32]);
    const four = having({ ats: { queueDepth: 4 } });
    expect([four.read(0x104, 2), four.ats!.queueDepth]).toEqual([0x0004, 4]);
    expect(() => having({ ats: { queueDepth: 33 } })).toThrow('33 invalidate requests');
  });

  it('is off after a reset, and enabled with the smallest translation unit that software chose', () => {
    const seen: boolean[] = [];
    config.ats!.onEnable = (enabled) => seen.push(enabled);
    expect([config.ats!.enabled, config.ats!.stu]).toEqual([false, 0]);
    config.write(at() + 6, 2, 0x8009);
    expect([config.ats!.enabled, config.ats!.stu, config.read(at() + 6, 2)]).toEqual([true, 9, 0x8009]);
    config.write(at() + 6, 2, 0x0009);
    config.write(at() + 6, 2, 0x8009);
    config.functionLevelReset();
    expect([seen, config.ats!.enabled, config.ats!.stu]).toEqual([[true, false, true, false], false, 0]);
  });

  it('keeps its unit while it is enabled', () => {
    config.write(at() + 6, 2, 0x8009);
    config.write(at() + 6, 2, 0x8000);
    expect([config.ats!.stu, config.read(at() + 6, 2)]).toEqual([9, 0x8009]);
    config.write(at() + 6, 2, 0x0000);
    expect([config.ats!.stu, config.read(at() + 6, 2)]).toEqual([9, 0x0009]);
    config.write(at() + 6, 2, 0x001f);
    expect(config.ats!.stu).toBe(31);
  });
});

describe('The PASID capability', () => {
  const at = () => findExtended(config, 0x1b);

  it('says how wide PASIDs are and what can be asked for with them', () => {
    expect(config.read(at() + 4, 2)).toBe(0x1406);
    const plain = having({ pasid: { width: 8 } });
    plain.write(0x106, 2, 0xffff);
    expect([plain.read(0x104, 4), plain.pasid!.width]).toEqual([0x0001_0800, 8]);
    expect(() => having({ pasid: { width: 21 } })).toThrow('a PASID of 21 bits');
  });

  it('allows what software enables, and nothing without Enable', () => {
    const { pasid } = config;
    const allowed = () => [pasid!.enabled, pasid!.execute, pasid!.privileged];
    config.write(at() + 6, 2, 6);
    expect(allowed()).toEqual([false, false, false]);
    config.write(at() + 6, 2, 3);
    expect(allowed()).toEqual([true, true, false]);
    config.write(at() + 6, 2, 5);
    expect(allowed()).toEqual([true, false, true]);
  });

  it('does not change while ATS is enabled', () => {
    const ats = findExtended(config, 0x0f) + 6;
    config.write(ats, 2, 0x8000);
    config.write(at() + 6, 2, 1);
    expect(config.pasid!.enabled).toBe(false);
    config.write(ats, 2, 0);
    config.write(at() + 6, 2, 1);
    config.write(ats, 2, 0x8000);
    config.write(at() + 6, 2, 0);
    expect(config.pasid!.enabled).toBe(true);
  });
});

describe('The page request capability', () => {
  const at = () => findExtended(config, 0x13);

  it('says how many requests there can be, and takes at most that many as allocated', () => {
    expect([config.read(at() + 8, 4), config.read(at() + 6, 2)]).toEqual([64, 0x8100]);
    config.write(at() + 0x0c, 4, 32);
    expect(config.pri!.allocation).toBe(32);
    config.write(at() + 0x0c, 4, 0xffff_ffff);
    expect([config.pri!.allocation, config.read(at() + 0x0c, 4)]).toEqual([64, 0xffff_ffff]);
  });

  it('is stopped when it is off and nothing is outstanding', () => {
    const { pri } = config;
    const seen: boolean[] = [];
    pri!.onEnable = (enabled) => seen.push(enabled);
    config.write(at() + 4, 2, 1);
    pri!.outstanding = 2;
    expect([pri!.enabled, pri!.stopped]).toEqual([true, false]);
    config.write(at() + 4, 2, 0);
    expect([pri!.enabled, pri!.stopped]).toEqual([false, false]);
    pri!.outstanding = 0;
    expect([pri!.stopped, config.read(at() + 6, 2), seen]).toEqual([true, 0x8100, [true, false]]);
  });

  it('is reset while it is off, and not while it is on', () => {
    const { pri } = config;
    let resets = 0;
    pri!.onReset = () => resets++;
    config.write(at() + 4, 2, 1);
    pri!.outstanding = 3;
    config.write(at() + 4, 2, 3);
    expect([resets, pri!.outstanding, config.read(at() + 4, 2)]).toEqual([0, 3, 1]);
    config.write(at() + 4, 2, 2);
    expect([resets, pri!.outstanding, pri!.stopped, config.read(at() + 4, 2)]).toEqual([1, 0, true, 0]);
  });

  it('is not reset by a write to its status', () => {
    let resets = 0;
    config.pri!.onReset = () => resets++;
    config.write(at() + 6, 2, 0x0002);
    expect(resets).toBe(0);
  });

  it('remembers a response failure and an unexpected response until software clears them', () => {
    config.pri!.failed();
    config.pri!.unexpected();
    expect([config.read(at() + 6, 2), config.pri!.responseFailure]).toEqual([0x8103, true]);
    config.write(at() + 6, 2, 0x0002);
    expect([config.read(at() + 6, 2), config.pri!.responseFailure]).toEqual([0x8101, true]);
    config.write(at() + 6, 2, 0x0001);
    expect([config.read(at() + 6, 2), config.pri!.responseFailure]).toEqual([0x8100, false]);
  });

  it('is off after a function-level reset, with nothing outstanding', () => {
    config.write(at() + 4, 2, 1);
    config.pri!.outstanding = 5;
    config.functionLevelReset();
    expect([config.pri!.enabled, config.pri!.outstanding, config.read(at() + 6, 2)]).toEqual([false, 0, 0x8100]);
  });
});
