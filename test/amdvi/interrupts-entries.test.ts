/** What an entry of the interrupt table makes of an interrupt, in each of its formats. Bits are literal. */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import { aborted, delivered, GA_EN, InterruptBench, IOMMU_EN, XT_EN } from './interrupt-bench.ts';

const RESERVED = aborted('IO_PAGE_FAULT.INTERRUPT_RESERVED', 2);
const OFF = aborted('IO_PAGE_FAULT.INTERRUPT_OFF', 2);

type Halves = readonly [lo: bigint, hi: bigint];

/** What becomes of interrupt 5 of 32 bits, and of 128 bits, with and without XTEn. */
const short = (irte: number, data = 5, address = 0xfee0_0000) => new InterruptBench().irte(5, irte).send(data, address);
const long = ([lo, hi]: Halves, control = IOMMU_EN | GA_EN) => new InterruptBench(control).irte(5, lo, hi).send(5);
const xt = (halves: Halves) => long(halves, IOMMU_EN | GA_EN | XT_EN);

describe('An entry of 32 bits', () => {
  it('gives vector, destination, destination mode and delivery mode.', () => {
    proves('IRTE (32 bits).Vector', 'IRTE (32 bits).Destination', 'IRTE (32 bits).DM', 'IRTE (32 bits).IntType');
    proves('interrupt data.Vector', 'interrupt address.DestinationID', 'IRTE (32 bits).RemapEn');
    expect(short(0x0041_2301)).toEqual(delivered(0xfee2_3000n, 0x0041));
    expect(short(0x00ff_ff01)).toEqual(delivered(0xfeef_f000n, 0x00ff));
    expect(short(0x0041_2341)).toEqual(delivered(0xfee2_3004n, 0x0041));
    expect(short(0x0041_2305)).toEqual(delivered(0xfee2_3000n, 0x0141));
  });

  it('leaves redirection hint, level and trigger mode as the device sent them.', () => {
    expect(short(0x0041_2301, 0xc005, 0xfee7_7008)).toEqual(delivered(0xfee2_3008n, 0xc041));
  });

  it('takes away the destination mode and the delivery mode that the device sent.', () => {
    const one = new InterruptBench().irte(0x105, 0x0041_2301);
    expect(one.send(0x105, 0xfee0_0004)).toEqual(delivered(0xfee2_3000n, 0x0041));
  });

  it('wants an EOI or not: that changes nothing here.', () => {
    expect(short(0x0041_2321)).toEqual(short(0x0041_2301));
  });

  it('with RemapEn = 0 aborts the interrupt, whatever else it says.', () => {
    proves('IO_PAGE_FAULT.INTERRUPT_OFF');
    expect(short(0x0041_2300)).toEqual(OFF);
    expect(short(0xff41_2380)).toEqual(OFF);
    expect(short(0)).toEqual(OFF);
  });

  it.each([
    ['reserved bit 24', 0x0141_2301],
    ['reserved bit 31', 0x8041_2301],
    ['IntType 2', 0x0041_2309],
    ['IntType 7', 0x0041_231d],
    ['GuestMode', 0x0041_2381],
  ])('aborts the interrupt with %s.', (what, irte) => {
    proves('IO_PAGE_FAULT.INTERRUPT_RESERVED', ...(what === 'GuestMode' ? ['IRTE (32 bits).GuestMode'] : []));
    const bench = new InterruptBench().irte(5, irte);
    expect(bench.send(5)).toEqual(RESERVED);
    expect(bench.fault!.flags).toEqual({ PR: 1, RZ: 1 });
  });
});

describe('An entry of 128 bits', () => {
  it('gives vector, destination, destination mode and delivery mode.', () => {
    proves('IRTE (128 bits).Vector', 'IRTE (128 bits).Destination', 'IRTE (128 bits).DM', 'IRTE (128 bits).IntType');
    proves('Control.GAEn');
    expect(long([0x2301n, 0x41n])).toEqual(delivered(0xfee2_3000n, 0x0041));
    expect(long([0xff41n, 0xffn])).toEqual(delivered(0xfeef_f004n, 0x00ff));
    expect(long([0x2305n, 0x41n])).toEqual(delivered(0xfee2_3000n, 0x0141));
    expect(long([0x2321n, 0x41n]), 'RqEoi').toEqual(delivered(0xfee2_3000n, 0x0041));
  });

  it('stands at 16 bytes for each index.', () => {
    const bench = new InterruptBench(IOMMU_EN | GA_EN).irte(0x1ff, 0x2301n, 0x41n);
    expect(bench.send(0x1ff)).toEqual(delivered(0xfee2_3000n, 0x0041));
    expect(bench.accesses).toBe(2);
  });

  it('with RemapEn = 0 aborts the interrupt; with SupIOPF nothing is logged of that.', () => {
    proves('IRTE (128 bits).RemapEn', 'IRTE (128 bits).SupIOPF');
    expect(long([0x2300n, 0x41n])).toEqual(OFF);
    expect(long([0x2302n, 0x41n])).toEqual({ ...OFF, event: 0 });
    expect(long([0x1_2303n, 0x41n])).toEqual({ ...RESERVED, event: 0 });
  });

  it.each<[string, Halves]>([
    ['bit 16, of a longer destination', [0x1_2301n, 0x41n]],
    ['bit 31, of a longer destination', [0x8000_2301n, 0x41n]],
    ['bit 32', [0x1_0000_2301n, 0x41n]],
    ['bit 63', [0x8000_0000_0000_2301n, 0x41n]],
    ['bit 72', [0x2301n, 0x141n]],
    ['bit 119', [0x2301n, 0x0080_0000_0000_0041n]],
    ['bit 120, of a longer destination', [0x2301n, 0x0100_0000_0000_0041n]],
    ['IntType 2', [0x2309n, 0x41n]],
    ['IntType 4', [0x2311n, 0x41n]],
    ['GuestMode while guests are off', [0x2381n, 0x41n]],
  ])('aborts the interrupt with %s.', (_, halves) => {
    expect(long(halves)).toEqual(RESERVED);
  });
});

describe('An entry with destinations of 32 bits', () => {
  it('gives the low byte to the address, and the others to its upper half.', () => {
    proves('Control.XTEn', 'interrupt upper address.DestinationID_31_8');
    proves('IRTE (128 bits, XT).Destination_23_0', 'IRTE (128 bits, XT).Destination_31_24');
    proves('IRTE (128 bits, XT).Vector', 'IRTE (128 bits, XT).DM', 'IRTE (128 bits, XT).IntType');
    expect(xt([0x0000_2301n, 0x41n])).toEqual(delivered(0xfee2_3000n, 0x0041));
    expect(xt([0x4567_8945n, 0x1200_0000_0000_0041n])).toEqual(delivered(0x1245_6700_fee8_9004n, 0x0141));
    expect(xt([0xffff_ff01n, 0xff00_0000_0000_0041n])).toEqual(delivered(0xffff_ff00_feef_f000n, 0x0041));
  });

  it('has the same reserved bits but for the destination.', () => {
    proves('IRTE (128 bits, XT).RemapEn', 'IRTE (128 bits, XT).SupIOPF');
    expect(xt([0x2301n, 0x141n])).toEqual(RESERVED);
    expect(xt([0x1_0000_2301n, 0x41n])).toEqual(RESERVED);
    expect(xt([0x2309n, 0x41n])).toEqual(RESERVED);
    expect(xt([0x2300n, 0x41n])).toEqual(OFF);
    expect(xt([0x2302n, 0x41n])).toEqual({ ...OFF, event: 0 });
  });

  it('needs entries of 128 bits.', () => {
    const bench = new InterruptBench(IOMMU_EN | XT_EN).irte(5, 0x0041_2301);
    expect(bench.send(5)).toEqual(delivered(0xfee2_3000n, 0x0041));
  });
});
