/**
 * INVALIDATE_IOTLB_PAGES from the host's side (fact sheet 1.5, 4.1, 4.3, 5): commands as bytes in the ring, devices that
 * complete through the rig, and the event log as a driver reads it.
 */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import { Bench, COMMANDS, COMMANDS_EN, COMMANDS_RUN, EVENT_LOG_EN, IOMMU_EN, type Pair, REG, STORE } from './bench.ts';

/** The worked encoding of section 12: device 0108h, QueueID 0108h, Maxpend 32, PASID 12345h, GN, page 7000h. */
const WORKED: Pair = [0x4145_0108_2023_0108n, 0x0000_0000_0000_7004n];
/** Device 0108h, QueueID 0108h, Maxpend 2, page 7000h. */
const AT_MOST_TWO: Pair = [0x4000_0108_0200_0108n, 0x7000n];
/** Device 0200h, QueueID 0200h, Maxpend 1, 8 KiB at 4000h. */
const OTHER_QUEUE: Pair = [0x4000_0200_0100_0200n, 0x4001n];
/** COMPLETION_WAIT with S: stores 7. */
const WAIT: Pair = [0x1000_0000_0000_0001n | STORE, 7n];
/** Control.EventIntEn, and InvTimeOut as Linux sets it: 1 s. */
const EVENT_INT_EN = 1n << 3n;
const ONE_SECOND = 4n << 5n;
const EVENT_LOG_INT = 1n << 1n;
/** COMPLETION_WAIT does not depend on the event log. */
const WITHOUT_LOG = IOMMU_EN | COMMANDS_EN;

const bench = (control = ONE_SECOND): Bench => new Bench({ awaits: true }).enable(control);
const tagsOf = ({ sent }: Bench) => sent.map((message) => (message.kind === 'invalidate' ? message.tag : undefined));

describe('INVALIDATE_IOTLB_PAGES', () => {
  it('becomes an invalidation request to the device, with the PASID that its three fields spell.', () => {
    const { sent } = bench().submit(WORKED);
    expect(sent).toEqual([
      {
        kind: 'invalidate',
        requester: 0x0108,
        pasid: 0x12345,
        global: false,
        address: 0x7000n,
        isRange: false,
        tag: 0,
      },
    ]);
  });

  it('never has more than Maxpend requests of one QueueID outstanding; the ring stands still meanwhile.', () => {
    const one = bench().submit(AT_MOST_TWO, AT_MOST_TWO, AT_MOST_TWO, WAIT);
    expect(tagsOf(one)).toEqual([0, 1]);
    expect(one.get(REG.COMMAND_HEAD), 'the third command').toBe(0x20n);
    expect(one.get(REG.STATUS) & COMMANDS_RUN).toBe(COMMANDS_RUN);
    one.rig.completeInvalidation({ requester: 0x0108, tags: 0b10, count: 1 });
    expect(tagsOf(one)).toEqual([0, 1, 1]);
    expect(one.get(REG.COMMAND_HEAD), 'COMPLETION_WAIT').toBe(0x30n);
    expect(one.read64(STORE), 'two are outstanding').toBe(0n);
    one.rig.completeInvalidation({ requester: 0x0108, tags: 0b11, count: 1 });
    expect(one.read64(STORE)).toBe(7n);
    expect(one.events()).toEqual([]);
  });

  it('of another QueueID has a depth of its own.', () => {
    const one = bench().submit(AT_MOST_TWO, AT_MOST_TWO, OTHER_QUEUE, OTHER_QUEUE);
    expect(tagsOf(one)).toEqual([0, 1, 2]);
    one.rig.completeInvalidation({ requester: 0x0200, tags: 0b100, count: 1 });
    expect(tagsOf(one)).toEqual([0, 1, 2, 2]);
  });

  it('may have its completion in several messages, as many as the device says.', () => {
    const one = bench().submit(OTHER_QUEUE, WAIT);
    for (const message of [1, 2, 3]) {
      expect(one.read64(STORE), `before message ${message}`).toBe(0n);
      one.rig.completeInvalidation({ requester: 0x0200, tags: 1, count: 3 });
    }
    expect(one.read64(STORE)).toBe(7n);
  });
});

describe('IOTLB_INV_TIMEOUT', () => {
  it('names the device and the address of its command, one event for each that is late.', () => {
    proves('IOTLB_INV_TIMEOUT.EventCode');
    const one = bench().submit(WORKED, OTHER_QUEUE, AT_MOST_TWO, WAIT);
    one.rig.completeInvalidation({ requester: 0x0200, tags: 0b10, count: 1 });
    one.rig.expireInvalidations();
    expect(one.events()).toEqual([
      [0x7000_0000_0000_0108n, COMMANDS],
      [0x7000_0000_0000_0108n, COMMANDS + 0x20n],
    ]);
  });

  it('ends the waiting: the queue has room, processing goes on, and COMPLETION_WAIT completes.', () => {
    const one = bench().submit(AT_MOST_TWO, AT_MOST_TWO, AT_MOST_TWO, WAIT);
    one.rig.expireInvalidations();
    expect(tagsOf(one)).toEqual([0, 1, 0]);
    expect(one.events()).toHaveLength(2);
    expect(one.read64(STORE), 'the third is outstanding').toBe(0n);
    one.rig.completeInvalidation({ requester: 0x0108, tags: 1, count: 1 });
    expect(one.read64(STORE)).toBe(7n);
    expect(one.get(REG.STATUS) & COMMANDS_RUN).toBe(COMMANDS_RUN);
  });

  it('sets EventLogInt and interrupts, as every event does.', () => {
    const one = bench(ONE_SECOND | EVENT_INT_EN);
    // The MSI capability: address FEE0_1000h, enabled.
    one.rig.writeConfig(0x68, 4, 0xfee0_1000);
    one.rig.writeConfig(0x64, 4, 0x0001_0000);
    one.submit(AT_MOST_TWO);
    expect([one.get(REG.STATUS) & EVENT_LOG_INT, one.messages.length]).toEqual([0n, 0]);
    one.rig.expireInvalidations();
    expect(one.get(REG.STATUS) & EVENT_LOG_INT).toBe(EVENT_LOG_INT);
    expect(one.messages.map(({ address }) => address)).toEqual([0xfee0_1000n]);
  });

  it('is lost while the event log does not run, and the commands go on all the same.', () => {
    const one = bench()
      .set(REG.CONTROL, WITHOUT_LOG | ONE_SECOND)
      .submit(AT_MOST_TWO, WAIT);
    one.rig.expireInvalidations();
    one.set(REG.CONTROL, WITHOUT_LOG | EVENT_LOG_EN | ONE_SECOND);
    expect(one.events()).toEqual([]);
    expect(one.read64(STORE)).toBe(7n);
  });

  it.each([
    { code: 0n, what: 'no limit' },
    { code: 7n, what: 'reserved' },
  ])('does not happen with InvTimeOut $code ($what).', ({ code }) => {
    const one = bench(code << 5n).submit(AT_MOST_TWO, WAIT);
    one.rig.expireInvalidations();
    expect([one.events(), one.read64(STORE)]).toEqual([[], 0n]);
    one.rig.completeInvalidation({ requester: 0x0108, tags: 1, count: 1 });
    expect(one.read64(STORE)).toBe(7n);
  });

  it('does not stop a device from answering later, and that answer completes nothing else.', () => {
    const one = bench().submit(AT_MOST_TWO);
    one.rig.expireInvalidations();
    one.submit(OTHER_QUEUE, WAIT);
    one.rig.completeInvalidation({ requester: 0x0108, tags: 1, count: 1 });
    expect(one.read64(STORE), 'ITag 0 is now another device’s').toBe(0n);
    one.rig.completeInvalidation({ requester: 0x0200, tags: 1, count: 1 });
    expect(one.read64(STORE)).toBe(7n);
    expect(one.events()).toHaveLength(1);
  });
});
