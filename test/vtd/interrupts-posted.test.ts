/** Posted interrupts with literal IRTEs and descriptors (vtd.md sections 9.3 and 9.4; VT-d 5.2.3). */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import {
  CONTROL,
  FROM_DEVICE,
  flush,
  NOTIFICATION,
  ON,
  PID,
  POSTED,
  POSTED_HIGH,
  pir,
  posting,
  request,
  SN,
  send,
  TO_23,
  URGENT,
  vector,
} from './posting.ts';

describe('A posted interrupt', () => {
  it('sets the bit of its vector and ON, and notifies: fixed, physical, edge.', () => {
    proves(
      'IRTE (posted)',
      'IRTE (posted).IM',
      'IRTE (posted).PDAL',
      'IRTE (posted).PDAH',
      'IRTE (posted).VV',
      'CAP_REG.PI',
    );
    proves('posted interrupt descriptor (xAPIC).NDST', 'posted interrupt descriptor.ON', 'IRTE (posted).P');
    const bench = posting();
    expect(send(bench)).toEqual([NOTIFICATION]);
    expect(pir(bench)).toEqual([0n, 2n, 0n, 0n]);
    expect(bench.read64(CONTROL)).toBe(TO_23 | ON);
    expect(bench.read64(CONTROL + 8n), 'nothing else is written').toBe(0n);
  });

  it('of each vector sets exactly its bit, beside those that are set.', () => {
    proves('posted interrupt descriptor.PIR_63_0', 'posted interrupt descriptor.PIR_127_64');
    proves('posted interrupt descriptor.PIR_191_128', 'posted interrupt descriptor.PIR_255_192');
    const bench = posting();
    let expected = 0n;
    for (let vv = 0; vv < 256; vv++) {
      bench.irte(3, POSTED | vector(vv), POSTED_HIGH);
      flush(bench);
      send(bench);
      expected |= 1n << BigInt(vv);
      const words = pir(bench);
      expect(words[0]! | (words[1]! << 64n) | (words[2]! << 128n) | (words[3]! << 192n), `${vv}`).toBe(expected);
    }
  });

  it('does not notify while a notification is outstanding; once ON is cleared, the next does.', () => {
    proves('posted interrupt descriptor.ON');
    const bench = posting().write64(CONTROL, TO_23 | ON);
    expect(send(bench)).toEqual([]);
    expect(pir(bench)).toEqual([0n, 2n, 0n, 0n]);
    expect(bench.read64(CONTROL)).toBe(TO_23 | ON);
    bench.write64(CONTROL, TO_23);
    expect(send(bench)).toEqual([NOTIFICATION]);
  });

  it.each([
    { control: 0n, urgent: false, notifies: true },
    { control: SN, urgent: false, notifies: false },
    { control: ON, urgent: false, notifies: false },
    { control: ON | SN, urgent: false, notifies: false },
    { control: 0n, urgent: true, notifies: true },
    { control: SN, urgent: true, notifies: true },
    { control: ON, urgent: true, notifies: false },
    { control: ON | SN, urgent: true, notifies: false },
  ])('with ON and SN $control and URG $urgent notifies: $notifies', ({ control, urgent, notifies }) => {
    if (control === SN) proves(urgent ? 'IRTE (posted).URG' : 'posted interrupt descriptor.SN');
    const bench = posting().write64(CONTROL, TO_23 | control);
    bench.irte(3, POSTED | vector(0x41) | (urgent ? URGENT : 0n), POSTED_HIGH);
    expect(send(bench)).toEqual(notifies ? [NOTIFICATION] : []);
    expect(pir(bench)).toEqual([0n, 2n, 0n, 0n]);
    expect(bench.read64(CONTROL)).toBe(TO_23 | control | (notifies ? ON : 0n));
  });

  it('notifies a 32-bit APIC id in x2APIC mode.', () => {
    proves('posted interrupt descriptor.NDST', 'posted interrupt descriptor.NV');
    const bench = posting({ extended: true }).write64(CONTROL, 0x1234_5678_00f2_0000n);
    expect(send(bench)).toEqual([{ address: 0x1234_5600_fee7_8000n, data: 0x40f2 }]);
    expect(bench.read64(CONTROL)).toBe(0x1234_5678_00f2_0001n);
  });

  it('finds its entry by handle plus subhandle like any other, and may come from any index.', () => {
    const bench = posting().irte(0x7f, POSTED | vector(0xff), POSTED_HIGH);
    expect(send(bench, request(0x70) | 8n, 0xf)).toEqual([NOTIFICATION]);
    expect(pir(bench)).toEqual([0n, 0n, 0n, 1n << 63n]);
  });

  it('is posted again while its bit still stands.', () => {
    const bench = posting();
    send(bench);
    bench.write64(CONTROL, TO_23);
    expect(send(bench)).toEqual([NOTIFICATION]);
    expect(pir(bench)).toEqual([0n, 2n, 0n, 0n]);
  });

  it('passes the source check that its entry asks for.', () => {
    proves('IRTE (posted).SVT', 'IRTE (posted).SID', 'IRTE (posted).SQ');
    const bench = posting().irte(3, POSTED | vector(0x41), POSTED_HIGH | FROM_DEVICE);
    expect(send(bench, request(3), 0, 0x0019)).toBe('26h');
    expect(pir(bench)).toEqual([0n, 0n, 0n, 0n]);
    expect(send(bench)).toEqual([NOTIFICATION]);
    bench.irte(3, POSTED | vector(0x41), POSTED_HIGH | FROM_DEVICE | 0x3_0000n);
    flush(bench);
    expect(send(bench, request(3), 0, 0x001f), 'SQ 11: any function').toEqual([]);
    expect(send(bench, request(3), 0, 0x0020)).toBe('26h');
  });

  it('may lie anywhere that HAW reaches, and its entry has free bits.', () => {
    proves('IRTE (posted).AVAIL');
    const bench = posting({ haw: 39 });
    const last = 0x7f_ffff_ffc0n;
    bench.irte(4, ((last & 0xffff_ffffn) << 32n) | vector(0) | 0x8f01n, (last >> 32n) << 32n);
    bench.write64(last + 32n, TO_23);
    expect(send(bench, request(4))).toEqual([NOTIFICATION]);
    expect(bench.read64(last)).toBe(1n);
  });

  it('leaves a remapped interrupt what it is: the entries stand side by side.', () => {
    const bench = posting().irte(4, 0x0000_0100_0041_0001n);
    expect(send(bench, request(4))).toEqual([{ address: 0xfee0_1000n, data: 0x4041 }]);
    expect(send(bench)).toEqual([NOTIFICATION]);
    expect(bench.read64(PID + 8n)).toBe(2n);
  });
});

describe('An interrupt with a PASID', () => {
  it('is no interrupt: it meets no entry and posts nothing.', () => {
    const bench = posting().enable();
    const data = new Uint8Array(4);
    const result = bench.rig.dma({ requester: 0x18, pasid: 5, address: request(3), data, write: true });
    expect(result).toMatchObject({ ok: false, fault: { code: 0x31 } });
    expect(bench.messages).toEqual([]);
    expect(pir(bench)).toEqual([0n, 0n, 0n, 0n]);
  });
});
