/** What a DMA through a rig does: splitting, partial completion, ends of address space, interrupts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRig } from '../../hardware/index.ts';
import { Bench, BOTH, DATA, outcome, READ, REG, SID, SPARE, TE } from '../vtd/tables.ts';

const bytes = (length: number, from = 1) => Uint8Array.from({ length }, (_, i) => (i + from) & 0xff);
/** Pages 0 to 7 lie apart, and in reverse. */
const frameOf = (page: number): bigint => DATA + BigInt(16 - page) * 0x2000n;

function ready(): Bench {
  const bench = new Bench().usual();
  for (let page = 0; page < 8; page++) bench.entry(1, page, frameOf(page) | BOTH);
  return bench.enable();
}

describe('A DMA', () => {
  it('is split at 4 KiB, and each piece goes where its page is.', () => {
    const bench = ready();
    const data = bytes(0x2800);
    const result = bench.write(0xc00n, SID, data);
    expect(result).toEqual({
      ok: true,
      segments: [
        { address: frameOf(0) + 0xc00n, length: 0x400 },
        { address: frameOf(1), length: 0x1000 },
        { address: frameOf(2), length: 0x1000 },
        { address: frameOf(3), length: 0x400 },
      ],
    });
    expect([...bench.rig.readMemory(frameOf(1), 0x1000)]).toEqual([...data.subarray(0x400, 0x1400)]);
    const back = bench.read(0xc00n, 0x2800);
    expect(back.ok && Buffer.compare(back.data!, data)).toBe(0);
    expect(back.ok && back.segments).toEqual(result.ok && result.segments);
  });

  it('that ends at a page boundary has no empty piece.', () => {
    const bench = ready();
    expect(bench.write(0xff0n, SID, bytes(16))).toMatchObject({ ok: true, segments: [{ length: 16 }] });
    expect(bench.read(0x1000n, 0x1000)).toMatchObject({ ok: true, segments: [{ length: 0x1000 }] });
  });

  it('agrees byte for byte with a map from page to page.', () => {
    const bench = ready();
    const twin = new Uint8Array(8 * 4096);
    const access = fc.record({
      at: fc.nat(8 * 4096 - 1),
      length: fc.integer({ min: 1, max: 9000 }),
      write: fc.boolean(),
      from: fc.nat(255),
    });
    fc.assert(
      fc.property(access, ({ at, length: wanted, write, from }) => {
        const length = Math.min(wanted, twin.length - at);
        if (write) {
          const data = bytes(length, from);
          expect(bench.write(BigInt(at), SID, data).ok).toBe(true);
          twin.set(data, at);
        } else {
          const result = bench.read(BigInt(at), length);
          expect(result.ok && Buffer.compare(result.data!, twin.subarray(at, at + length))).toBe(0);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('that is blocked in the middle stays done before that piece, and touches nothing from there on.', () => {
    const bench = ready();
    bench.entry(1, 2, frameOf(2) | READ);
    const result = bench.write(0x800n, SID, bytes(0x3000));
    expect(result).toEqual({
      ok: false,
      status: 'dropped',
      fault: { code: 5, name: 'LGN.2', recorded: true, requester: SID, pasid: -1, address: 0x2000n, write: true },
    });
    expect([...bench.rig.readMemory(frameOf(0) + 0x800n, 2)]).toEqual([1, 2]);
    expect([...bench.rig.readMemory(frameOf(1), 2)]).toEqual([1, 2]);
    expect(bench.read64(frameOf(1) + 0xff8n)).not.toBe(0n);
    expect(bench.read64(frameOf(2))).toBe(0n);
    expect(bench.read64(frameOf(3))).toBe(0n);
    expect(bench.record()).toMatchObject({ f: true, fr: 5, fi: 0x2000n });
    // Page 3 was not even looked up.
    bench.entry(1, 3, 0n);
    expect(outcome(bench.probe(0x3000n))).toBe('06h');
    expect(outcome(bench.read(0x800n, 0x3000))).toBe('06h');
  });

  it('whose translated address does not exist is an unsupported request or lost, without a fault.', () => {
    const bench = new Bench({ ram: [[0n, 0x20_0000n]] }).usual();
    bench.entry(1, 1, 0x4000_0000n | BOTH).enable();
    expect(bench.read(0x1000n)).toEqual({ ok: false, status: 'UR' });
    expect(bench.write(0x1000n)).toEqual({ ok: false, status: 'dropped' });
    expect(bench.write(0xffcn, SID, bytes(8))).toEqual({ ok: false, status: 'dropped' });
    expect([...bench.rig.readMemory(DATA + 0xffcn, 4)]).toEqual([1, 2, 3, 4]);
    expect(bench.get(REG.FSTS)).toBe(0n);
  });

  it('of length 0 is a zero-length read: one piece, no data.', () => {
    const bench = ready();
    expect(bench.read(0x1234n, 0)).toEqual({
      ok: true,
      data: new Uint8Array(0),
      segments: [{ address: frameOf(1) + 0x234n, length: 0 }],
    });
    expect(outcome(bench.read(0x9000n, 0))).toBe('06h');
  });

  it('at the end of 64 bits is judged there, and goes on at address 0.', () => {
    const bench = ready();
    const end = 0xffff_ffff_ffff_ffffn;
    expect(outcome(bench.read(end, 1))).toBe('04h');
    expect(outcome(bench.write(end - 3n))).toBe('04h');
    expect(bench.rig.translate({ requester: SID, address: end, write: false, length: 2, probe: true })).toMatchObject({
      fault: { address: 0xffff_ffff_ffff_f000n },
    });
    bench.stop(TE);
    expect(bench.read(end, 1)).toEqual({ ok: false, status: 'UR' });
    expect(bench.write(end - 3n)).toEqual({ ok: false, status: 'dropped' });
    expect(outcome(bench.probe(end, { length: 2 }))).toBe(end);
    const wrapped = bench.probe(end, { length: 2 });
    expect(wrapped.ok && wrapped.segments).toEqual([
      { address: end, length: 1 },
      { address: 0n, length: 1 },
    ]);
  });

  it.each([52, 54, 55, 57, 60, 63])('at address 2^%i without remapping meets nothing.', (bit) => {
    const bench = new Bench();
    const address = 1n << BigInt(bit);
    expect(bench.write(address)).toEqual({ ok: false, status: 'dropped' });
    expect(bench.read(address)).toEqual({ ok: false, status: 'UR' });
    expect(bench.read64(address)).toBe(0n);
  });

  it('is the requester of every bus: without remapping all of them reach memory.', () => {
    const bench = new Bench();
    for (const sid of [0, 0x18, 0x0100, 0xffff]) expect(outcome(bench.write(SPARE, sid))).toBe(SPARE);
  });
});

describe('Translate', () => {
  it('answers like the DMA and has its side effects, but moves no data.', () => {
    const bench = ready();
    const request = { requester: SID, address: 0xffcn, write: true, length: 8 };
    expect(bench.rig.translate(request)).toEqual({
      ok: true,
      segments: [
        { address: frameOf(0) + 0xffcn, length: 4 },
        { address: frameOf(1), length: 4 },
      ],
    });
    expect(bench.read64(frameOf(1))).toBe(0n);
    bench.entry(1, 0, 0n);
    expect(outcome(bench.probe(0n)), 'the IOTLB was filled').toBe(frameOf(0));
    expect(outcome(bench.rig.translate({ ...request, address: 0x9000n }))).toBe('05h');
    expect(bench.record()).toMatchObject({ f: true, fr: 5 });
  });

  it('asks for 1 byte when no length is given.', () => {
    const result = ready().rig.translate({ requester: SID, address: 0xfffn, write: false });
    expect(result.ok && result.segments).toEqual([{ address: frameOf(0) + 0xfffn, length: 1 }]);
  });

  it('of a host that passed a fault tells it as the DMA does, and a probe records nothing.', () => {
    const bench = ready();
    const fault = { code: 6, name: 'LGN.3', recorded: true, requester: SID, pasid: -1, address: 0x9000n, write: false };
    expect(bench.probe(0x9123n)).toEqual({ ok: false, status: 'UR', fault });
    expect(bench.get(REG.FSTS)).toBe(0n);
    expect(bench.read(0x9123n)).toEqual({ ok: false, status: 'UR', fault });
    expect(bench.get(REG.FSTS)).toBe(2n);
  });
});

describe('A DMA write of 4 bytes to FEEx_xxxxh', () => {
  it('is an interrupt, delivered through onMsi with its little-endian data, and no memory access.', () => {
    for (const bench of [new Bench(), ready()]) {
      expect(bench.write(0xfee0_1004n, SID, Uint8Array.of(0x41, 0x02, 0x03, 0x04))).toEqual({ ok: true, segments: [] });
      expect(bench.messages).toEqual([{ address: 0xfee0_1004n, data: 0x0403_0241 }]);
      expect(bench.read64(0xfee0_1004n)).toBe(0n);
    }
  });

  it('that is unaligned, has a PASID or is translated is none.', () => {
    const bench = ready();
    const data = new Uint8Array(4);
    expect(outcome(bench.write(0xfee0_1002n, SID, data))).toBe('29h');
    const request = { requester: SID, address: 0xfee0_1000n, write: true, data };
    expect(outcome(bench.rig.dma({ ...request, pasid: 1 }))).toBe('31h');
    expect(outcome(bench.rig.dma({ ...request, addressType: 'translated' }))).toBe('0Dh');
    expect(bench.messages).toEqual([]);
  });

  it('may be the last piece of a longer write, and the pieces before it stay done.', () => {
    const bench = new Bench();
    expect(bench.write(0xfedf_fffcn, SID, bytes(8))).toMatchObject({ ok: true });
    expect(bench.messages).toEqual([{ address: 0xfee0_0000n, data: 0x0807_0605 }]);
    expect(bench.read64(0xfedf_fff8n)).toBe(0x0403_0201_0000_0000n);
  });

  it('works for data that is a view into a larger buffer.', () => {
    const bench = new Bench();
    const buffer = new Uint8Array(16).fill(0xee);
    buffer.set([9, 0, 0, 0], 5);
    bench.write(0xfee0_0000n, SID, buffer.subarray(5, 9));
    expect(bench.messages).toEqual([{ address: 0xfee0_0000n, data: 9 }]);
  });

  it('is lost without harm when nobody listens.', () => {
    const rig = createRig({ vendor: 'intel', capabilities: { ver: 0x10n, cap: 0x00d2_008c_222f_0606n, ecap: 0xf02n } });
    expect(rig.dma({ requester: 8, address: 0xfee0_0000n, write: true, data: new Uint8Array(4) }).ok).toBe(true);
  });
});
