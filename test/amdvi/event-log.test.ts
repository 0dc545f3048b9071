/** The event log of AMD-Vi: where entries go, when it runs, what happens when it is full (fact sheet 5.3). */
import { describe, expect, it } from 'vitest';
import { OperationKind } from '../../hardware/memory/index.ts';
import { proves } from '../proves.ts';
import { EVENT_INT_EN, EVENT_LOG_EN, entryOf, IOMMU_EN, Parts, REG, RING_BYTES, SHORTEST } from './parts.ts';

const OVERFLOW = 1n << 0n;
const LOGGED = 1n << 1n;
const RUN = 1n << 3n;
const OVERFLOW_B = 1n << 15n;
const ACTIVE_B = 1n << 16n;
const ON = IOMMU_EN | EVENT_LOG_EN;
/** Write of device 0300h in domain 9 without permission at ABC000h (fact sheet 12). */
const FAULT = [0x2070_0009_0000_0300n, 0x00ab_c000n] as const;
const BASE = 0x8000n;
const BASE_B = 0xa000n;

function running(control = ON): Parts {
  const parts = new Parts().enableMsi();
  parts.set(REG.EVENT_BASE, SHORTEST | BASE);
  parts.set(REG.CONTROL, control);
  return parts;
}

function fill(parts: Parts, entries: number): void {
  for (let n = 0; n < entries; n++) parts.logEvent(0x2000_0000_0000_0000n | BigInt(n));
}

describe('The event log', () => {
  it('takes an entry at its tail, moves the tail and sets EventLogInt.', () => {
    proves(
      'Control.EventLogEn',
      'Event Log Base.EventBase',
      'Event Log Tail.EventTailptr',
      'Status.EventLogInt',
      'Status.EventLogRun',
    );
    const parts = running();
    parts.logEvent(...FAULT);
    parts.logEvent(0x5000_0000_0000_0000n, 0x1230n);
    expect(parts.entry(0x8000)).toEqual([...FAULT]);
    expect(parts.entry(0x8010)).toEqual([0x5000_0000_0000_0000n, 0x1230n]);
    expect([parts.get(REG.EVENT_HEAD), parts.get(REG.EVENT_TAIL)]).toEqual([0n, 0x20n]);
    expect(parts.status(OVERFLOW | LOGGED | RUN)).toBe(LOGGED | RUN);
  });

  it('shows the tail only after the entry has been written.', () => {
    const parts = running();
    const walk = parts.events.append(entryOf(...FAULT));
    const step = walk.next();
    expect(step.value).toMatchObject({ kind: OperationKind.WRITE, address: 0x8000, count: 4 });
    expect(parts.get(REG.EVENT_TAIL)).toBe(0n);
    parts.memory.perform(step.value!);
    expect(walk.next().done).toBe(true);
    expect(parts.get(REG.EVENT_TAIL)).toBe(0x10n);
  });

  it('keeps apart entries that are written at the same time.', () => {
    const parts = running();
    const walks = [1n, 2n, 3n].map((n) => parts.events.append(entryOf(n, 0n)));
    const writes = walks.map((walk) => walk.next().value!);
    expect(writes.map(({ address }) => address)).toEqual([0x8000, 0x8010, 0x8020]);
    for (const [i, write] of writes.entries()) {
      parts.memory.perform(write);
      walks[i]!.next();
      expect(parts.get(REG.EVENT_TAIL)).toBe(BigInt(i + 1) * 16n);
    }
    expect([0x8000, 0x8010, 0x8020].map((at) => parts.entry(at)[0])).toEqual([1n, 2n, 3n]);
  });

  it('leaves the tail of a new log alone when an entry of the old one arrives late.', () => {
    const parts = running();
    const walk = parts.events.append(entryOf(...FAULT));
    const write = walk.next().value!;
    parts.set(REG.CONTROL, IOMMU_EN);
    parts.set(REG.EVENT_BASE, SHORTEST | 0xc000n);
    parts.set(REG.CONTROL, ON);
    parts.memory.perform(write);
    walk.next();
    expect(parts.get(REG.EVENT_TAIL)).toBe(0n);
    parts.logEvent(7n);
    expect(parts.entry(0xc000)[0]).toBe(7n);
  });

  it('goes round at its end.', () => {
    proves('Event Log Head.EventHdptr');
    const parts = running();
    fill(parts, 255);
    parts.set(REG.EVENT_HEAD, 0xff0n);
    fill(parts, 2);
    expect(parts.get(REG.EVENT_TAIL)).toBe(0x10n);
    expect(parts.entry(0x8ff0)[0]).toBe(0x2000_0000_0000_0000n);
    expect(parts.entry(0x8000)[0]).toBe(0x2000_0000_0000_0001n);
    expect(parts.status(OVERFLOW)).toBe(0n);
  });

  it.each([
    ['while IommuEn is 0', EVENT_LOG_EN],
    ['while EventLogEn is 0', IOMMU_EN],
  ])('does not run %s.', (_, control) => {
    const parts = running(control);
    parts.logEvent(...FAULT);
    expect([parts.status(OVERFLOW | LOGGED | RUN), parts.get(REG.EVENT_TAIL)]).toEqual([0n, 0n]);
    expect(parts.memory.touchedBytes).toBe(0);
  });

  it.each([0, 1, 7, 8, 15])('with length code %s runs if that is 8 or more.', (length) => {
    proves('Event Log Base.EventLen');
    const parts = running(IOMMU_EN);
    parts.set(REG.EVENT_BASE, BASE | (BigInt(length) << 56n));
    parts.set(REG.CONTROL, ON);
    parts.logEvent(...FAULT);
    const expected = length >= 8 ? RUN | LOGGED : 0n;
    expect(parts.status(OVERFLOW | LOGGED | RUN)).toBe(expected);
  });

  it('runs from the moment at which an enabled log gets a length that is not reserved.', () => {
    const parts = running(IOMMU_EN);
    parts.set(REG.EVENT_BASE, BASE);
    parts.set(REG.CONTROL, ON);
    expect(parts.events.isRunning).toBe(false);
    parts.set(REG.EVENT_BASE, SHORTEST | BASE);
    expect(parts.events.isRunning).toBe(true);
  });

  it('takes pointers beyond its end modulo its size.', () => {
    const parts = running(IOMMU_EN);
    parts.set(REG.EVENT_TAIL, 0x2040n);
    parts.set(REG.EVENT_HEAD, 0x3060n);
    parts.set(REG.CONTROL, ON);
    fill(parts, 2);
    expect(parts.entry(0x8040)[0]).toBe(0x2000_0000_0000_0000n);
    expect([parts.get(REG.EVENT_TAIL), parts.status(OVERFLOW)]).toEqual([0x50n, OVERFLOW]);
  });

  it('with length code 15 has 32768 entries.', () => {
    const parts = running(IOMMU_EN);
    parts.set(REG.EVENT_BASE, 0x0f00_0000_0000_0000n);
    parts.set(REG.EVENT_TAIL, 0x7_fff0n);
    parts.set(REG.EVENT_HEAD, 0x10n);
    parts.set(REG.CONTROL, ON);
    parts.logEvent(...FAULT);
    expect(parts.get(REG.EVENT_TAIL)).toBe(0n);
    expect(parts.entry(0x7_fff0)).toEqual([...FAULT]);
  });

  it('takes writes of its tail only while it does not run.', () => {
    const parts = running();
    parts.set(REG.EVENT_TAIL, 0x40n);
    expect(parts.get(REG.EVENT_TAIL)).toBe(0n);
    parts.set(REG.CONTROL, IOMMU_EN);
    parts.set(REG.EVENT_TAIL, 0x40n);
    parts.set(REG.EVENT_HEAD, 0x40n);
    parts.set(REG.CONTROL, ON);
    parts.logEvent(...FAULT);
    expect(parts.entry(0x8040)).toEqual([...FAULT]);
    expect(parts.get(REG.EVENT_TAIL)).toBe(0x50n);
  });
});

describe('An event log that is full', () => {
  it('drops the entry, reports EventOverflow and stops.', () => {
    proves('Status.EventOverflow');
    const parts = running();
    fill(parts, 255);
    expect(parts.status(OVERFLOW | RUN)).toBe(RUN);
    parts.logEvent(...FAULT);
    expect(parts.status(OVERFLOW | RUN)).toBe(OVERFLOW);
    expect(parts.get(REG.EVENT_TAIL)).toBe(RING_BYTES - 16n);
    expect(parts.entry(0x8ff0)).toEqual([0n, 0n]);
  });

  it('takes nothing more when software makes room or clears EventOverflow, until it is restarted.', () => {
    const parts = running();
    fill(parts, 256);
    parts.set(REG.EVENT_HEAD, 0x800n);
    parts.set(REG.STATUS, OVERFLOW);
    parts.logEvent(...FAULT);
    expect([parts.get(REG.EVENT_TAIL), parts.status(OVERFLOW | RUN)]).toEqual([0xff0n, 0n]);
    parts.set(REG.CONTROL, IOMMU_EN);
    parts.set(REG.CONTROL, ON);
    parts.logEvent(...FAULT);
    expect([parts.get(REG.EVENT_TAIL), parts.status(OVERFLOW | RUN)]).toEqual([0n, RUN]);
    expect(parts.entry(0x8ff0)).toEqual([...FAULT]);
  });

  it('loses EventOverflow when EventLogEn goes from 0 to 1.', () => {
    const parts = running();
    fill(parts, 256);
    parts.set(REG.CONTROL, IOMMU_EN);
    expect(parts.status(OVERFLOW)).toBe(OVERFLOW);
    parts.set(REG.CONTROL, ON);
    expect(parts.status(OVERFLOW | RUN)).toBe(RUN);
  });

  it('goes on in log B if software has chosen automatic swap, and then in A again.', () => {
    proves(
      'Control.DualEventLogEn',
      'Event Log B Base.EventBase',
      'Event Log B Base.EventLen',
      'Event Log B Tail.EventTailptr',
      'Status.EvtOvrflwB',
      'Status.EvtLogActive',
      'Extended Feature.DualEventLogSup',
    );
    const parts = running(IOMMU_EN);
    const swap = ON | (2n << 32n);
    parts.set(REG.EVENT_B_BASE, SHORTEST | BASE_B);
    parts.set(REG.CONTROL, swap);
    fill(parts, 255);
    expect(parts.status(ACTIVE_B)).toBe(0n);
    expect(parts.events.hasRoomFor(), 'in log B').toBe(true);
    parts.logEvent(...FAULT);
    expect(parts.entry(0xa000)).toEqual([...FAULT]);
    expect(parts.status(OVERFLOW | OVERFLOW_B | RUN | ACTIVE_B)).toBe(OVERFLOW | RUN | ACTIVE_B);
    fill(parts, 254);
    expect(parts.get(REG.EVENT_B_TAIL)).toBe(0xff0n);
    parts.set(REG.EVENT_HEAD, parts.get(REG.EVENT_TAIL));
    parts.set(REG.STATUS, OVERFLOW);
    parts.logEvent(...FAULT);
    expect(parts.entry(0x8ff0)).toEqual([...FAULT]);
    expect(parts.status(OVERFLOW | OVERFLOW_B | RUN | ACTIVE_B)).toBe(OVERFLOW_B | RUN);
  });

  it('stops if log B is full too.', () => {
    const parts = running(IOMMU_EN);
    parts.set(REG.EVENT_B_BASE, SHORTEST | BASE_B);
    parts.set(REG.CONTROL, ON | (2n << 32n));
    fill(parts, 509);
    expect(parts.events.hasRoomFor()).toBe(true);
    fill(parts, 1);
    expect(parts.events.hasRoomFor()).toBe(false);
    fill(parts, 1);
    expect(parts.status(OVERFLOW | OVERFLOW_B | RUN | ACTIVE_B)).toBe(OVERFLOW | OVERFLOW_B | ACTIVE_B);
    expect([parts.get(REG.EVENT_TAIL), parts.get(REG.EVENT_B_TAIL)]).toEqual([0xff0n, 0xff0n]);
  });

  it.each([
    ['has a reserved length', 0x0700_0000_0000_0000n, 0n],
    ['has not been cleared of its overflow', SHORTEST, OVERFLOW_B],
  ])('stops if log B %s.', (_, length, overflow) => {
    const parts = running(IOMMU_EN);
    parts.set(REG.EVENT_B_BASE, length | BASE_B);
    parts.set(REG.CONTROL, ON | (2n << 32n));
    parts.page.file.words[REG.STATUS / 4]! |= Number(overflow);
    fill(parts, 256);
    expect(parts.status(OVERFLOW | RUN | ACTIVE_B)).toBe(OVERFLOW);
    expect(parts.get(REG.EVENT_B_TAIL)).toBe(0n);
  });

  it('goes round in log B as software takes entries from there.', () => {
    proves('Event Log B Head.EventHdptr');
    const parts = running(IOMMU_EN);
    parts.set(REG.EVENT_B_BASE, SHORTEST | BASE_B);
    parts.set(REG.CONTROL, ON | (1n << 32n));
    fill(parts, 255);
    parts.set(REG.EVENT_B_HEAD, 0xff0n);
    fill(parts, 2);
    expect(parts.get(REG.EVENT_B_TAIL)).toBe(0x10n);
    expect(parts.status(OVERFLOW_B | RUN)).toBe(RUN);
  });

  it('is log B alone where software has chosen it.', () => {
    const parts = running(IOMMU_EN);
    parts.set(REG.EVENT_B_BASE, SHORTEST | BASE_B);
    parts.set(REG.CONTROL, ON | (1n << 32n));
    fill(parts, 256);
    expect([parts.get(REG.EVENT_TAIL), parts.get(REG.EVENT_B_TAIL)]).toEqual([0n, 0xff0n]);
    expect(parts.status(OVERFLOW | OVERFLOW_B | RUN | ACTIVE_B)).toBe(OVERFLOW_B | ACTIVE_B);
  });
});

describe('An event that cannot be written', () => {
  it('is lost; the log stops with its tail where it was, until it is restarted.', () => {
    const parts = running(IOMMU_EN);
    parts.set(REG.EVENT_BASE, SHORTEST | 0x10_0000n);
    parts.set(REG.CONTROL, ON);
    parts.logEvent(...FAULT);
    expect([parts.status(OVERFLOW | LOGGED | RUN), parts.get(REG.EVENT_TAIL)]).toEqual([0n, 0n]);
    parts.set(REG.CONTROL, IOMMU_EN);
    parts.set(REG.EVENT_BASE, SHORTEST | BASE);
    parts.set(REG.CONTROL, ON);
    parts.logEvent(...FAULT);
    expect(parts.entry(0x8000)).toEqual([...FAULT]);
  });
});

describe('The event interrupt', () => {
  const message = { hi: 0, lo: 0xfee0_1000 | 0, data: 0x4000 };

  it('is sent for the first entry, and again for the first after EventLogInt was cleared.', () => {
    proves('Control.EventIntEn');
    const parts = running(ON | EVENT_INT_EN);
    fill(parts, 3);
    expect(parts.messages).toEqual([message]);
    parts.set(REG.STATUS, LOGGED);
    expect(parts.messages).toHaveLength(1);
    fill(parts, 2);
    expect(parts.messages).toHaveLength(2);
  });

  it('is sent for an overflow too.', () => {
    const parts = running(ON | EVENT_INT_EN);
    fill(parts, 256);
    expect(parts.messages).toEqual([message, message]);
  });

  it('is not sent while EventIntEn is 0, nor when it becomes 1 later.', () => {
    const parts = running();
    fill(parts, 1);
    parts.set(REG.CONTROL, ON | EVENT_INT_EN);
    fill(parts, 1);
    expect(parts.messages).toEqual([]);
  });
});
