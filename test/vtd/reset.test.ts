/** The state after power-on, and that `reset` leads back to it (vtd.md section 1.2). */
import { describe, expect, it } from 'vitest';
import {
  Access,
  type DeviceMessage,
  finish,
  InterruptMessage,
  NO_PASID,
  Status,
  Translation,
} from '../../hardware/iommu/index.ts';
import { PhysicalMemory } from '../../hardware/memory/index.ts';
import type { VtdUnit } from '../../hardware/vtd/index.ts';
import type { Fault } from '../../hardware/vtd/spec/index.ts';
import { bareUnit } from './bare-unit.ts';
import { type Capability, capabilities } from './capability.ts';
import { BOTH, CONTEXT, DATA, IRE, IRT, QIE, QUEUE, REG, ROOT, SIRTP, SRTP, TE, tableAt } from './tables.ts';

function make(capability: Capability = { nfr: 2 }): { unit: VtdUnit; memory: PhysicalMemory; messages: number[] } {
  const memory = new PhysicalMemory();
  const messages: number[] = [];
  const caches = { iotlb: { sets: 4, ways: 4 }, contextCache: { sets: 4, ways: 4 } };
  const raiseMsi = (_hi: number, _lo: number, data: number): void => void messages.push(data);
  const unit = bareUnit({ capabilities: capabilities(capability), ...caches }, { memory, raiseMsi });
  return { unit, memory, messages };
}

const page = (unit: VtdUnit): bigint[] => Array.from({ length: 1024 }, (_, i) => unit.read(i * 4, 4));

function ask(unit: VtdUnit, address: number): number {
  const t = new Translation<Fault>().ask(0x18, NO_PASID, Access.WRITE, 0, address);
  unit.translate(t);
  return t.status === Status.SUCCESS ? t.hpaLo : -1;
}

describe('After power-on', () => {
  it('every register is 0 but VER, CAP, ECAP and the masks of the events.', () => {
    const { unit } = make();
    const { ver, cap, ecap } = capabilities({ nfr: 2 });
    const expected = new Map<number, bigint>([
      [0x00, ver],
      [0x08, cap & 0xffff_ffffn],
      [0x0c, cap >> 32n],
      [0x10, ecap & 0xffff_ffffn],
      [0x14, ecap >> 32n],
      [0x38, 0x8000_0000n],
      [0xa0, 0x8000_0000n],
    ]);
    page(unit).forEach((value, i) => {
      expect(value, `offset ${(i * 4).toString(16)}`).toBe(expected.get(i * 4) ?? 0n);
    });
  });

  it('registers that a capability would give read 0 and take no write.', () => {
    const { unit } = make();
    // PMEN and protected memory, page requests, MTRRs, performance monitoring, enhanced and virtual commands.
    for (const offset of [
      0x64, 0x68, 0x70, 0x78, 0xc0, 0xc8, 0xd0, 0xdc, 0xe0, 0x100, 0x108, 0x300, 0x400, 0xdc0, 0xe00,
    ]) {
      unit.write(offset, 8, 2n ** 64n - 1n);
      expect(unit.read(offset & ~7, 8), offset.toString(16)).toBe(0n);
    }
  });
});

describe('Reset', () => {
  it('empties registers, caches and latches, and the unit works as a new one.', () => {
    const { unit, memory, messages } = make();
    const fresh = page(unit);
    for (let round = 0; round < 2; round++) {
      expect(page(unit)).toEqual(fresh);
      expect(ask(unit, 0x1234), 'no remapping').toBe(0x1234);
      memory.write64(Number(ROOT), CONTEXT | 1n);
      memory.write64(Number(CONTEXT) + 0x180, tableAt(4) | 1n);
      memory.write64(Number(CONTEXT) + 0x188, 0x102n);
      for (let level = 4; level > 1; level--) memory.write64(Number(tableAt(level)), tableAt(level - 1) | BOTH);
      memory.write64(Number(tableAt(1)), DATA | BOTH);
      unit.write(REG.RTADDR, 8, ROOT);
      unit.write(REG.IRTA, 8, IRT | 7n);
      unit.write(REG.IQA, 8, QUEUE);
      unit.write(REG.FECTL, 4, 0n);
      unit.write(REG.FEDATA, 4, 0x52n);
      unit.write(REG.GCMD, 4, SRTP | SIRTP | TE | QIE | IRE);
      expect(ask(unit, 0x10)).toBe(Number(DATA) + 0x10);
      // Faults of both kinds, an overflow, and a stopped queue.
      for (let n = 0; n < 3; n++) expect(ask(unit, 0x1000 + n * 0x1000)).toBe(-1);
      const message = new InterruptMessage<Fault>().ask(0x18, 0, 0xfee0_0010 | 0, 0);
      finish(unit.walkInterrupt(message), memory);
      expect(message.fault?.code).toBe(0x22);
      unit.write(REG.IQT, 8, 0x10n);
      expect(unit.read(REG.FSTS, 4) & 0xffn).toBe(0x13n);
      expect(messages).toHaveLength(round + 1);
      memory.write64(Number(CONTEXT) + 0x180, 0n);
      unit.reset();
    }
    unit.write(REG.RTADDR, 8, ROOT);
    unit.write(REG.GCMD, 4, SRTP | TE);
    expect(ask(unit, 0x10), 'nothing is left in the caches').toBe(-1);
    expect((unit.read(REG.FRCD + 8, 8) >> 32n) & 0xffn).toBe(2n);
  });

  it('lets the queue start anew whose work was dropped with everything else that was under way.', () => {
    const { unit, memory } = make();
    memory.write64(Number(QUEUE), 0x11n);
    const start = (): void => {
      unit.write(REG.IQA, 8, QUEUE);
      unit.write(REG.GCMD, 4, QIE);
      unit.write(REG.IQT, 8, 0x10n);
    };
    const { run } = unit;
    let dropped = 0;
    unit.run = (walk) => {
      walk.next();
      dropped++;
    };
    start();
    expect(dropped).toBe(1);
    expect(unit.read(REG.IQH, 8)).toBe(0n);
    unit.reset();
    unit.run = run;
    start();
    expect(unit.read(REG.IQH, 8)).toBe(0x10n);
  });

  it('lets page requests be served anew, too.', () => {
    const { unit } = make({ smts: true, prs: true, dt: true, pasid: true });
    const answers: DeviceMessage[] = [];
    unit.devices.taker = (message) => answers.push(message);
    const ask = (): void => {
      const page = { hi: 0, lo: 0x1000, read: true, write: false, execute: false, privileged: false };
      unit.requestPage({ requester: 0x18, pasid: NO_PASID, ...page, last: true, group: 1 });
    };
    const { run } = unit;
    unit.run = () => {};
    ask();
    expect(answers).toEqual([]);
    unit.reset();
    unit.run = run;
    ask();
    expect(answers).toMatchObject([{ kind: 'page group response', requester: 0x18, group: 1 }]);
  });
});
