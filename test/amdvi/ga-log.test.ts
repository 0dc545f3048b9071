/** The log of interrupts for guests that do not run (fact sheet 9.2). */
import { beforeEach, describe, expect, it } from 'vitest';
import { GaLog } from '../../hardware/amdvi/ga-log.ts';
import { joinWords, splitWords, wordsOf } from '../../hardware/bits/index.ts';
import { finish } from '../../hardware/iommu/index.ts';
import { proves } from '../proves.ts';
import { IOMMU_EN, Parts, SHORTEST } from './parts.ts';

const GA_LOG_EN = 1n << 28n;
const GA_INT_EN = 1n << 29n;
const RUN = 1n << 8n;
const OVERFLOW = 1n << 9n;
const LOGGED = 1n << 10n;
const [CONTROL, BASE, TAIL_ADDRESS, HEAD, TAIL] = [0x0018, 0x00e0, 0x00e8, 0x2040, 0x2048];
/** GATag CAFE0001h, device 0108h. */
const ENTRY = 0x1000_0108_cafe_0001n;

let parts: Parts;
let log: GaLog;

const append = (): boolean => finish(log.append(splitWords(ENTRY, 2)), parts.memory);
const at = (address: number): bigint => joinWords(wordsOf(parts.memory.read(address, 8)!));

beforeEach(() => {
  parts = new Parts().enableMsi();
  log = new GaLog(parts.page.file, parts.interrupts);
  parts.set(BASE, SHORTEST | 0x4000n);
});

describe('The GA log', () => {
  it('takes entries of 8 bytes, sets GAInt and stores the tail where software wants it.', () => {
    proves(
      'Control.GALogEn',
      'Control.GAIntEn',
      'GA Log Base.GALogBase',
      'GA Log Base.GALogLen',
      'GA Log Tail Address.GALogTailAddr',
      'GA Log Tail.GATailptr',
      'Status.GALogRun',
      'Status.GAInt',
      'Extended Feature.GASup',
    );
    parts.set(TAIL_ADDRESS, 0x5008n);
    parts.set(CONTROL, IOMMU_EN | GA_LOG_EN | GA_INT_EN);
    expect([append(), append()]).toEqual([true, true]);
    expect([at(0x4000), at(0x4008), at(0x5008)]).toEqual([ENTRY, ENTRY, 0x10n]);
    expect([parts.get(TAIL), parts.status(RUN | OVERFLOW | LOGGED)]).toEqual([0x10n, RUN | LOGGED]);
    expect(parts.messages).toHaveLength(1);
  });

  it('stores its tail nowhere without an address.', () => {
    parts.set(CONTROL, IOMMU_EN | GA_LOG_EN);
    append();
    expect(at(0)).toBe(0n);
    expect(parts.memory.touchedBytes).toBe(4096);
  });

  it('holds 255 entries, then reports GALOverflow and stops until it is restarted.', () => {
    proves('GA Log Head.GAHdptr', 'Status.GALOverflow');
    parts.set(CONTROL, IOMMU_EN | GA_LOG_EN);
    const taken = Array.from({ length: 257 }, append);
    expect(taken.lastIndexOf(true)).toBe(254);
    expect([parts.get(TAIL), parts.status(RUN | OVERFLOW)]).toEqual([0x7f8n, OVERFLOW]);
    parts.set(HEAD, 0x7f8n);
    expect(append()).toBe(false);
    parts.set(CONTROL, IOMMU_EN);
    parts.set(CONTROL, IOMMU_EN | GA_LOG_EN);
    expect(append()).toBe(true);
    expect([parts.get(TAIL), parts.status(RUN | OVERFLOW)]).toEqual([0n, RUN]);
  });

  it.each([
    ['IommuEn', GA_LOG_EN],
    ['GALogEn', IOMMU_EN],
  ])('takes nothing without %s.', (_, control) => {
    parts.set(CONTROL, control);
    expect([append(), log.isRunning, parts.memory.touchedBytes]).toEqual([false, false, 0]);
  });
});
