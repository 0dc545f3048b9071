/** Entries of the event log as the driver understands them, from the fact sheet's layouts (sections 5, 5.1 and 12). */
import { describe, expect, it } from 'vitest';
import { understandEvent } from '../../src/kernel/amd/events.ts';
import { entryOf } from '../amdvi/parts.ts';

describe('An IO_PAGE_FAULT', () => {
  it.each([
    ['a write without permission', 0x2070_0009_0000_0300n, 'permission is missing'],
    ['a page that is not present', 0x2020_0009_0000_0300n, 'the page is not mapped'],
    ['a reserved bit in a table', 0x20b0_0009_0000_0300n, 'a table entry has a reserved bit set'],
    ['a level that leads nowhere', 0x2030_0009_0000_0300n, 'a table entry has an invalid level or size'],
    ['an entry that blocks everything: domain 0', 0x2070_0000_0000_0300n, 'the device is attached to nothing'],
    ['a device id beyond the table: domain 0', 0x2000_0000_0000_0300n, 'the device is attached to nothing'],
    ['a PASID, which may be 0', 0x2061_0000_0000_0300n, 'the page is not mapped'],
    ['an interrupt, which belongs to no domain', 0x2008_0000_0000_0300n, 'the interrupt is not mapped'],
  ])('about %s says so.', (_, lo, meaning) => {
    const event = understandEvent(entryOf(lo, 0x00ab_cdefn));
    expect(event).toMatchObject({ kind: 'blocked', deviceId: 0x300, address: 0xab_c000n, meaning });
  });
});
