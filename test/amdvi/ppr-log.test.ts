/** The log of peripheral page requests, and what the unit answers when it cannot take one (fact sheet 6.1). */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import { ALL, IOMMU_EN, Parts, PPR_INT_EN, PPR_LOG_EN, REG, SHORTEST } from './parts.ts';

const OVERFLOW = 1n << 5n;
const LOGGED = 1n << 6n;
const RUN = 1n << 7n;
const OVERFLOW_B = 1n << 11n;
const ACTIVE_B = 1n << 12n;
const EARLY_B = 1n << 17n;
const EARLY = 1n << 18n;
const ON = IOMMU_EN | PPR_LOG_EN;
const REQUEST = [0x1160_0605_2345_0200n, 0x7fff_1234_5000n] as const;

function running(control = ON): Parts {
  const parts = new Parts().enableMsi();
  parts.set(REG.PPR_BASE, SHORTEST | 0x4000n);
  parts.set(REG.PPR_B_BASE, SHORTEST | 0x6000n);
  parts.set(REG.CONTROL, control);
  return parts;
}

function fill(parts: Parts, entries: number): boolean[] {
  return Array.from({ length: entries }, () => parts.logRequest(...REQUEST));
}

describe('The PPR log', () => {
  it('takes a request at its tail, moves the tail and sets PprInt.', () => {
    proves('PPR Log Base.PPRLogBase', 'PPR Log Base.PPRLogLen', 'PPR Log Tail.PPRTailptr');
    const parts = running();
    expect(parts.logRequest(...REQUEST)).toBe(true);
    expect(parts.entry(0x4000)).toEqual([...REQUEST]);
    expect(parts.get(REG.PPR_TAIL)).toBe(0x10n);
    expect(parts.status(OVERFLOW | LOGGED | RUN)).toBe(LOGGED | RUN);
  });

  it.each([
    ['IommuEn', PPR_LOG_EN],
    ['PPRLogEn', IOMMU_EN],
  ])('takes nothing without %s.', (_, control) => {
    const parts = running(control);
    expect(parts.logRequest(...REQUEST)).toBe(false);
    expect([parts.requests.isRunning, parts.status(), parts.get(REG.PPR_TAIL)]).toEqual([false, 0n, 0n]);
  });

  it('does not exist without PPRSup.', () => {
    const parts = new Parts(ALL & ~(1n << 1n));
    parts.set(REG.PPR_BASE, SHORTEST | 0x4000n);
    parts.set(REG.CONTROL, ON);
    expect([parts.get(REG.PPR_BASE), parts.get(REG.CONTROL), parts.status()]).toEqual([0n, IOMMU_EN, 0n]);
    expect(parts.logRequest(...REQUEST)).toBe(false);
  });

  it('that is full reports PprOverflow and stops, until it is restarted.', () => {
    const parts = running();
    expect(fill(parts, 256).lastIndexOf(true)).toBe(254);
    expect(parts.status(OVERFLOW | RUN)).toBe(OVERFLOW);
    parts.set(REG.PPR_HEAD, 0x100n);
    parts.set(REG.STATUS, OVERFLOW);
    expect(fill(parts, 1)).toEqual([false]);
    parts.set(REG.CONTROL, IOMMU_EN);
    parts.set(REG.CONTROL, ON);
    expect(fill(parts, 1)).toEqual([true]);
  });

  it('is log B after an overflow with automatic swap.', () => {
    proves(
      'Control.DualPprLogEn',
      'PPR Log B Base.PPRLogBase',
      'PPR Log B Base.PPRLogLen',
      'PPR Log B Tail.PPRTailptr',
      'Status.PprLogActive',
      'Extended Feature.DualPprLogSup',
    );
    const parts = running(ON | (2n << 30n));
    expect(fill(parts, 256)).not.toContain(false);
    expect(parts.entry(0x6000)).toEqual([...REQUEST]);
    expect(parts.status(OVERFLOW | OVERFLOW_B | RUN | ACTIVE_B)).toBe(OVERFLOW | RUN | ACTIVE_B);
    expect([parts.get(REG.PPR_TAIL), parts.get(REG.PPR_B_TAIL)]).toEqual([0xff0n, 0x10n]);
  });

  it('goes round in log B as software takes requests from there.', () => {
    proves('PPR Log B Head.PPRHdptr');
    const parts = running(ON | (1n << 30n));
    fill(parts, 255);
    parts.set(REG.PPR_B_HEAD, 0xff0n);
    expect(fill(parts, 2)).toEqual([true, true]);
    expect(parts.get(REG.PPR_B_TAIL)).toBe(0x10n);
    expect(parts.status(OVERFLOW_B | RUN)).toBe(RUN);
  });
});

describe('The interrupt of page requests', () => {
  it('is sent for the first entry and for an overflow.', () => {
    proves('Control.PPRIntEn');
    const parts = running(ON | PPR_INT_EN);
    fill(parts, 256);
    expect(parts.messages).toEqual([
      { hi: 0, lo: 0xfee0_1000 | 0, data: 0x4000 },
      { hi: 0, lo: 0xfee0_1000 | 0, data: 0x4000 },
    ]);
  });

  it('is not sent while PPRIntEn is 0.', () => {
    const parts = running();
    fill(parts, 256);
    expect(parts.messages).toEqual([]);
  });
});

describe('The early warning', () => {
  it('comes when the log holds as many entries as the threshold says, and not before.', () => {
    proves(
      'PPR Log Overflow Early Indicator.Threshold',
      'PPR Log Overflow Early Indicator.IntEn',
      'PPR Log Overflow Early Indicator.En',
      'Status.PprOvrflwEarly',
      'Extended Feature.PprOvrflwEarlySup',
    );
    const parts = running();
    parts.set(REG.EARLY, (1n << 31n) | (1n << 30n) | 3n);
    fill(parts, 2);
    expect([parts.status(EARLY), parts.messages.length]).toEqual([0n, 0]);
    fill(parts, 1);
    expect([parts.status(EARLY), parts.messages.length]).toEqual([EARLY, 1]);
  });

  it('counts only what software has not taken.', () => {
    const parts = running();
    parts.set(REG.EARLY, (1n << 31n) | 3n);
    fill(parts, 2);
    parts.set(REG.PPR_HEAD, 0x20n);
    fill(parts, 2);
    expect(parts.status(EARLY)).toBe(0n);
    fill(parts, 1);
    expect([parts.status(EARLY), parts.messages.length]).toEqual([EARLY, 0]);
  });

  it('is off by itself, and apart for log B.', () => {
    proves(
      'PPR Log B Overflow Early Indicator.Threshold',
      'PPR Log B Overflow Early Indicator.En',
      'PPR Log B Overflow Early Indicator.IntEn',
      'Status.PprOvrflwEarlyB',
    );
    const parts = running(ON | (1n << 30n));
    fill(parts, 5);
    expect(parts.status(EARLY | EARLY_B)).toBe(0n);
    parts.set(REG.EARLY, (1n << 31n) | 3n);
    fill(parts, 1);
    expect(parts.status(EARLY | EARLY_B)).toBe(0n);
    parts.set(REG.EARLY + 8, (1n << 31n) | (1n << 30n) | 8n);
    fill(parts, 1);
    expect(parts.status(EARLY_B)).toBe(0n);
    fill(parts, 1);
    expect([parts.status(EARLY | EARLY_B), parts.messages.length]).toEqual([EARLY_B, 1]);
  });
});

describe('The automatic answer', () => {
  const RESPOND = 1n << 39n;
  const ALWAYS = 1n << 42n;

  it.each([
    ['is none as long as software has not allowed it', 0n, null, false],
    ['is the code of the register for what was not logged', RESPOND, { code: 0xf, dropsPasid: true }, false],
    ['is that of every request if software wants so', ALWAYS, { code: 0xf, dropsPasid: true }, true],
  ])('%s.', (_, control, answer, all) => {
    const parts = running(ON | control);
    parts.set(REG.AUTO_RESPONSE, 0x1fn);
    expect([parts.requests.automaticAnswer, parts.requests.answersAll]).toEqual([answer, all]);
  });

  it('keeps the PASID unless the mask bit is set.', () => {
    proves('Extended Feature.PPRAutoRspSup');
    const parts = running(ON | RESPOND);
    parts.set(REG.AUTO_RESPONSE, 0x1n);
    expect(parts.requests.automaticAnswer).toEqual({ code: 1, dropsPasid: false });
  });

  it('does not exist without PPRAutoRspSup.', () => {
    const parts = new Parts(ALL & ~(1n << 41n));
    parts.set(REG.CONTROL, ON | RESPOND | ALWAYS);
    expect([parts.requests.automaticAnswer, parts.requests.answersAll]).toEqual([null, false]);
  });
});
