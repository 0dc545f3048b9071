/** Which interrupts pass, which are aborted, and which are remapped: Control, device table entry, index. */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import {
  aborted,
  DEVICE,
  DEVICE_TABLE,
  delivered,
  InterruptBench,
  IOMMU_EN,
  LENGTH,
  MODE_2K,
  REMAPS,
} from './interrupt-bench.ts';

/** RemapEn, fixed, APIC 23h, vector 41h. */
const IRTE = 0x0041_2301;
const REMAPPED = delivered(0xfee2_3000n, 0x0041);
const INT_CTL = (value: bigint): bigint => (REMAPS & ~(3n << 60n)) | (value << 60n);
const ABORTED = aborted('IO_PAGE_FAULT.INTERRUPT_ABORTED', 0);
const OUTSIDE = 'IO_PAGE_FAULT.INTERRUPT_INDEX';
const OFF = 'IO_PAGE_FAULT.INTERRUPT_OFF';
const IO_PAGE_FAULT = 2;
const ILLEGAL_DEV_TABLE_ENTRY = 1;

const bench = (interrupts = REMAPS, control = IOMMU_EN) => new InterruptBench(control).device(interrupts).irte(5, IRTE);

describe('An interrupt', () => {
  it('passes unchanged while the unit is off.', () => {
    proves('Control.IommuEn');
    expect(bench(REMAPS, 0n).send(0x4005)).toEqual(delivered(0xfee0_0000n, 0x4005));
    expect(bench().send(0x4005)).toEqual(delivered(0xfee2_3000n, 0x4041));
  });

  it('passes unchanged without IV, whatever else the device table entry says; V is of no account.', () => {
    proves('DTE.IV');
    expect(bench(0n).send(5)).toEqual(delivered(0xfee0_0000n, 5));
    expect(bench(REMAPS & ~1n).send(5)).toEqual(delivered(0xfee0_0000n, 5));
    expect(bench().device(REMAPS, DEVICE, 0n).send(5)).toEqual(REMAPPED);
    expect(bench().device(REMAPS, DEVICE, 1n).send(5)).toEqual(REMAPPED);
    expect(
      bench()
        .device(REMAPS & ~1n, DEVICE, 1n)
        .send(5),
    ).toEqual(delivered(0xfee0_0000n, 5));
  });

  it.each([
    ['a reserved bit', REMAPS | (1n << 52n), 'RESERVED'],
    ['IntCtl = 11b', INT_CTL(3n), 'ENCODING'],
    ['a table of 4096 entries', LENGTH(12n), 'ENCODING'],
  ])('is aborted and logged where the device table entry is illegal: %s.', (_, interrupts, name) => {
    const found = bench(interrupts | 0x20n).send(5);
    expect(found).toEqual(aborted(`ILLEGAL_DEV_TABLE_ENTRY.${name}`, ILLEGAL_DEV_TABLE_ENTRY));
  });

  it('is aborted where the device id is beyond the device table, or its entry cannot be read.', () => {
    proves('IO_PAGE_FAULT.DEVICE_ID', 'DEV_TAB_HARDWARE_ERROR.READ');
    const device = aborted('IO_PAGE_FAULT.DEVICE_ID', IO_PAGE_FAULT);
    expect(
      bench()
        .table(DEVICE_TABLE | 1n)
        .send(5),
    ).toEqual(device);
    expect(
      bench()
        .table(DEVICE_TABLE | 2n)
        .send(5),
    ).toEqual(REMAPPED);
    expect(bench().table(0x8000_01ffn).send(5)).toEqual(aborted('DEV_TAB_HARDWARE_ERROR.READ', 3));
  });
});

describe('A fixed or arbitrated interrupt', () => {
  it.each([
    ['00b', 'is aborted', INT_CTL(0n), ABORTED],
    ['01b', 'passes unchanged', INT_CTL(1n), delivered(0xfee0_0000n, 5)],
    ['10b', 'is remapped', INT_CTL(2n), REMAPPED],
  ])('with IntCtl = %s %s.', (_code, _what, interrupts, outcome) => {
    proves('DTE.IntCtl');
    expect(bench(interrupts).send(5)).toEqual(outcome);
  });

  it('takes its entry by bits 10:0 of its data, with the delivery mode among them.', () => {
    proves('interrupt data (remapped).Index', 'DTE.IntTabRoot');
    const all = bench().irte(0x1ff, 0x0042_2301).irte(0x0ff, 0x0043_2301);
    expect(all.send(0x01ff)).toEqual(delivered(0xfee2_3000n, 0x0042));
    expect(all.send(0x00ff)).toEqual(delivered(0xfee2_3000n, 0x0043));
    expect(all.send(0xf805)).toEqual(delivered(0xfee2_3000n, 0xf841));
  });

  it.each([0n, 1n, 5n, 9n])('has an index within its table of 2^%i entries.', (log2) => {
    proves('DTE.IntTabLen', OUTSIDE);
    const size = 2 ** Number(log2);
    const one = bench(LENGTH(log2))
      .irte(size - 1, IRTE)
      .irte(size, IRTE);
    expect(one.send(size - 1)).toEqual(REMAPPED);
    if (size < 512) expect(one.send(size)).toEqual(aborted(OUTSIDE, IO_PAGE_FAULT));
    expect(one.fault?.flags ?? {}).toEqual({});
  });

  it('is read of what the index names, at 4 bytes for each.', () => {
    const one = bench();
    one.send(5);
    expect(one.accesses, 'device table entry and interrupt entry').toBe(2);
  });
});

describe('More than 512 interrupts of one function', () => {
  const LOGICAL = 0xfee0_0004;
  const large = () =>
    bench(LENGTH(11n), IOMMU_EN | MODE_2K)
      .irte(0x7ff, IRTE)
      .irte(0x205, IRTE);

  it('are reached with DM = 1 in the address and Control.NumIntRemapMode = 01b.', () => {
    proves('Control.NumIntRemapMode', 'interrupt address.DM');
    expect(large().send(0x7ff, LOGICAL)).toEqual(REMAPPED);
    expect(large().send(0x205, LOGICAL)).toEqual(REMAPPED);
    expect(large().send(0x205)).toEqual(delivered(0xfee0_0000n, 0x205));
  });

  it('are none without that mode, whatever the table holds.', () => {
    const one = bench(LENGTH(11n)).irte(0x1ff, IRTE).irte(0x7ff, IRTE);
    expect(one.send(0x7ff, LOGICAL)).toEqual(ABORTED);
    expect(one.send(0x1ff, LOGICAL)).toEqual(REMAPPED);
  });

  it('end where the table does.', () => {
    expect(bench(LENGTH(10n), IOMMU_EN | MODE_2K).send(0x400, LOGICAL)).toEqual(aborted(OUTSIDE, IO_PAGE_FAULT));
    expect(bench(LENGTH(10n), IOMMU_EN | MODE_2K).send(0x3ff, LOGICAL)).toEqual(aborted(OFF, IO_PAGE_FAULT));
  });
});

describe('An interrupt of another delivery mode', () => {
  const PASS = { INIT: 1n << 56n, EXT_INT: 1n << 57n, NMI: 1n << 58n };

  it.each([
    ['NMI', 0x400, PASS.NMI, 'DTE.NMIPass'],
    ['INIT', 0x500, PASS.INIT, 'DTE.InitPass'],
    ['ExtINT', 0x700, PASS.EXT_INT, 'DTE.EIntPass'],
  ])('passes when its own bit says so: %s.', (_, data, bit, row) => {
    proves(row);
    const all = PASS.INIT | PASS.EXT_INT | PASS.NMI;
    expect(bench(REMAPS | bit).send(data)).toEqual(delivered(0xfee0_0000n, data));
    expect(bench(REMAPS | (all & ~bit)).send(data)).toEqual(ABORTED);
    expect(bench(INT_CTL(0n) | bit).send(data), 'IntCtl is for others').toEqual(delivered(0xfee0_0000n, data));
  });

  it('passes when it is an SMI, and never when its mode is undefined.', () => {
    proves('interrupt data.DeliveryMode');
    expect(bench().send(0x200)).toEqual(delivered(0xfee0_0000n, 0x200));
    const all = REMAPS | PASS.INIT | PASS.EXT_INT | PASS.NMI;
    expect([0x300, 0x600].map((data) => bench(all).send(data))).toEqual([ABORTED, ABORTED]);
  });

  it('is aborted with a logical destination.', () => {
    const all = REMAPS | PASS.INIT | PASS.EXT_INT | PASS.NMI;
    const sent = [0x200, 0x400, 0x500, 0x700].map((data) => bench(all).send(data, 0xfee0_0004));
    expect(sent).toEqual([ABORTED, ABORTED, ABORTED, ABORTED]);
  });
});

describe('A faulting interrupt', () => {
  it('is logged unless IG of the device table entry or SupIOPF of the entry says otherwise.', () => {
    proves('DTE.IG', 'IRTE (32 bits).SupIOPF');
    const IG = 0x20n;
    expect(bench().send(6)).toEqual(aborted(OFF, IO_PAGE_FAULT));
    expect(bench(REMAPS | IG).send(6)).toEqual(aborted(OFF, 0));
    expect(bench().irte(6, 2).send(6)).toEqual(aborted(OFF, 0));
    expect(
      bench(REMAPS | IG)
        .irte(5, 0xff00_0001)
        .send(5),
    ).toEqual(aborted('IO_PAGE_FAULT.INTERRUPT_RESERVED', 0));
    expect(bench(LENGTH(2n) | IG).send(5)).toEqual(aborted(OUTSIDE, 0));
  });

  it('is logged all the same when its entry cannot be read, with the address of the entry.', () => {
    proves('PAGE_TAB_HARDWARE_ERROR.INTERRUPT_READ');
    const beyond = (REMAPS & 0xfff0_0000_0000_003fn) | 0x20n | 0x8000_0000n;
    const one = bench(beyond);
    expect(one.send(5)).toEqual(aborted('PAGE_TAB_HARDWARE_ERROR.INTERRUPT_READ', 4));
  });
});
