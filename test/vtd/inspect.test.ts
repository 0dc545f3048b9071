import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { IommuInspector } from '../../hardware/index.ts';
import { finish, InterruptMessage } from '../../hardware/iommu/index.ts';
import { PhysicalMemory } from '../../hardware/memory/index.ts';
import { FAULT_HINTS, FAULTS, type Fault, type FaultName } from '../../hardware/vtd/spec/index.ts';
import { bareUnit } from './bare-unit.ts';
import { capabilities } from './capability.ts';
import { CONTROL, FROM_DEVICE, pir, posting, request, send } from './posting.ts';
import { PASID, ScalableBench } from './scalable.ts';
import { permit } from './scalable-host-conditions.ts';
import {
  Bench,
  BOTH,
  CONTEXT,
  DATA,
  IRE,
  IRT,
  PS,
  READ,
  REG,
  ROOT,
  SID,
  SIRTP,
  STATUS,
  TABLE,
  tableAt,
  WRITE,
} from './tables.ts';

describe('interrupt remapping table and invalidation queue', () => {
  it('show each entry that is present under its own layout, and what lies in the queue with head and tail', () => {
    const bench = new Bench();
    bench
      .enableInterrupts()
      .write64(IRT + 0x30n, 0x0000_0500_0031_0001n, 0x4_0018n)
      .enableQueue();
    bench.submit([0x21n | (1n << 16n), 0n], [0x5n | 0x20n | (7n << 32n), STATUS], [0x1fn, 0n]);
    const iommu = bench.rig.inspect();
    expect(iommu.interrupts()).toMatchObject({
      what: 'interrupt remapping table at 0x30000',
      children: [{ what: 'IRTE (remapped, xAPIC)', index: '[3]', entry: { address: 0x3_0030 } }],
    });
    expect(iommu.queue()!.children.map(({ what, note }) => [what, note])).toEqual([
      ['cc_inv_dsc', undefined],
      ['inv_wait_dsc', undefined],
      ['descriptor', 'head'],
      ['descriptor', 'tail'],
    ]);
  });

  it('are nothing in a unit that has neither', () => {
    const iommu = new Bench({ ir: false, qi: false }).rig.inspect();
    expect([iommu.interrupts(), iommu.queue()]).toEqual([null, null]);
  });
});

describe('the hints', () => {
  it.each(Object.keys(FAULTS) as FaultName[])('say for %s in one line what to check', (name) => {
    expect(FAULT_HINTS[name]).toMatch(/^\S.{15,180}\S$/);
    expect(FAULT_HINTS[name]).not.toBe(FAULTS[name].meaning);
  });
});

describe('a rig that is asked', () => {
  const questions = [0n, 0x1000n, 0x20_0000n, 1n << 50n].flatMap((address) =>
    [false, true].flatMap((write) => [SID, 0x20].map((requester) => ({ requester, pasid: -1, address, write }))),
  );

  /** Everything that can be seen of a rig; its memory as a hash. */
  const seen = ({ rig }: Bench) => ({
    registers: Array.from({ length: 1024 }, (_, i) => rig.readRegister(i * 4, 4)),
    memory: createHash('sha256').update(rig.readMemory(0n, 0x30_0000)).digest('hex'),
    caches: rig.inspect().caches(),
  });

  function made(): Bench {
    const bench = new Bench({ cm: true })
      .usual()
      .entry(1, 1, DATA | 0x1000n | READ)
      .entry(2, 1, 0x20_0000n | WRITE | PS);
    return bench.enable();
  }

  it('is as it was, also in what it does next', () => {
    const [asked, alone] = [made(), made()];
    for (const address of [0x0n, 0x1008n, 0x20_0000n, 0x40_0000n, 0x0n, 0x1000n]) {
      const before = seen(asked);
      const iommu = asked.rig.inspect();
      for (const question of questions) iommu.explain(question);
      iommu.tables();
      iommu.registers();
      expect(seen(asked)).toEqual(before);
      expect(asked.read(address)).toEqual(alone.read(address));
      expect(asked.write(address)).toEqual(alone.write(address));
      expect(seen(asked)).toEqual(seen(alone));
    }
  });

  it('is as it was after questions about interrupts that are remapped, posted and blocked', () => {
    const make = (): Bench => posting({ cm: true }).irte(4, 0x0000_0100_0031_0001n, FROM_DEVICE);
    const [asked, alone] = [make(), make()];
    const messages = [3, 4, 5].map(request);
    for (const address of [...messages, ...messages]) {
      const before = seen(asked);
      const iommu = asked.rig.inspect();
      for (const requester of [SID, 0x20]) {
        for (const one of messages) iommu.explainInterrupt({ requester, address: one, data: 0 });
      }
      iommu.interrupts();
      expect(seen(asked)).toEqual(before);
      expect(asked.read64(CONTROL)).toBe(alone.read64(CONTROL));
      const foreseen = asked.rig.inspect().explainInterrupt({ requester: SID, address, data: 0 }).result;
      const sent = send(asked, address);
      expect(sent).toEqual(send(alone, address));
      if (foreseen.ok) {
        const message = foreseen.message && { address: foreseen.message.address, data: foreseen.message.data };
        expect(sent).toEqual(message === null ? [] : [message]);
      } else expect(sent).toBe(foreseen.fault!.name);
      expect([pir(asked), seen(asked)]).toEqual([pir(alone), seen(alone)]);
    }
  });

  it('does not keep an entry of the interrupt cache young by asking for it', () => {
    const memory = new PhysicalMemory();
    const unit = bareUnit({ capabilities: capabilities({}), interruptEntryCache: { sets: 1, ways: 2 } }, { memory });
    const entry = (index: number, v: bigint): boolean =>
      memory.write64(Number(IRT) + index * 16, 0x0000_0100_0000_0001n | (v << 16n));
    unit.write(REG.IRTA, 8, IRT | 7n);
    unit.write(REG.GCMD, 4, SIRTP | IRE);
    const message = new InterruptMessage<Fault>();
    const ask = (index: number, effects: boolean): number => {
      message.ask(SID, 0, Number(BigInt.asIntN(32, request(index))), 0);
      message.effects = effects;
      finish(unit.walkInterrupt(message), memory);
      return message.data & 0xff;
    };
    for (const index of [1, 2, 3]) entry(index, 0x40n);
    for (const index of [1, 2]) expect(ask(index, true)).toBe(0x40);
    for (const index of [1, 2, 3]) entry(index, 0x50n);
    expect([ask(1, false), ask(3, false)]).toEqual([0x40, 0x50]);
    // The oldest one makes room.
    expect(ask(3, true)).toBe(0x50);
    expect([ask(1, false), ask(2, false)]).toEqual([0x50, 0x40]);
  });

  it('is as it was after questions about host permissions', () => {
    const bench = permit(new ScalableBench().scalable({}, { hpte: true, eptr: true })).on();
    for (const also of [[], ['translated'], ['translated', 'zero length']] as const) {
      for (const address of [0n, 0x10_0000n, 0x10_1000n, 1n << 48n]) {
        const before = seen(bench);
        for (const write of [false, true]) {
          bench.rig.inspect().explain({ requester: SID, pasid: PASID, address, write, also });
        }
        bench.rig.inspect().tables();
        expect(seen(bench)).toEqual(before);
        bench.ask(address, false, { pasid: PASID, addressType: 'translated' });
      }
    }
  });

  it('answers as a probe does, and gives the steps in the order of the walk', () => {
    const bench = made();
    const iommu: IommuInspector = bench.rig.inspect();
    const { steps, result } = iommu.explain({ requester: SID, pasid: -1, address: 0x1234n, write: false });
    expect(bench.probe(0x1234n)).toEqual({ ok: true, segments: [{ address: DATA + 0x1234n, length: 1 }] });
    expect(result).toMatchObject({ ok: true, address: DATA + 0x1234n, pageBytes: 4096, read: true, write: false });
    expect(
      steps.map((step) =>
        step.kind === 'cache' ? `${step.cache} ${step.hit}` : step.kind === 'note' ? '' : step.what,
      ),
    ).toEqual([
      'GSTS_REG',
      'RTADDR_REG',
      'IOTLB false',
      'context cache false',
      'root entry',
      'context entry',
      'SS-PML4E',
      'SS-PDPE',
      'SS-PDE',
      'SS-PTE',
    ]);
    const reads = steps.flatMap((step) => (step.kind === 'read' ? [BigInt(step.address)] : []));
    expect(reads).toEqual([ROOT, CONTEXT + 0x180n, ...[4, 3, 2].map(tableAt), TABLE + 0x1008n]);
    bench.read(0x1000n);
    const again = iommu.explain({ requester: SID, pasid: -1, address: 0x1234n, write: false });
    expect(again.steps.slice(2)).toMatchObject([{ kind: 'cache', cache: 'IOTLB', hit: true }]);
    expect(again.result).toEqual(result);
  });

  it('names the fault with its meaning, its stage, the answer, whether it is recorded, and what to check', () => {
    const bench = made().context(tableAt(4) | BOTH, 2n);
    const ask = (requester: number, write: boolean) =>
      bench.rig.inspect().explain({ requester, pasid: -1, address: 0x1000n, write }).result;
    // FPD keeps a qualified fault from being recorded.
    expect(ask(SID, true)).toMatchObject({ ok: false, fault: { name: 'LGN.2', recorded: false } });
    const other = { code: 2, name: 'LCT.2', stage: 'context entry', recorded: true, hint: FAULT_HINTS.LCT_2 };
    expect(ask(0x20, false)).toMatchObject({ ok: false, answer: 'Unsupported Request', fault: other });
    expect(ask(0x20, true)).toMatchObject({ ok: false, answer: 'none: the write is dropped', fault: other });
  });

  it('explains that remapping is off, and what an interrupt is', () => {
    const bench = new Bench();
    const explain = (address: bigint, write: boolean) =>
      bench.rig.inspect().explain({ requester: SID, pasid: -1, address, write });
    expect(explain(0x1000n, false)).toMatchObject({ result: { ok: true, address: 0x1000n } });
    expect(explain(0x1000n, false).steps.at(-1)).toMatchObject({ kind: 'note', text: expect.stringContaining('off') });
    bench.usual().enable();
    expect(explain(0xfee0_0000n, true)).toMatchObject({ result: { ok: false, fault: { code: 0x29 } } });
    expect(explain(0xfee0_0000n, true).steps.at(-1)).toMatchObject({ text: expect.stringContaining('interrupt') });
  });
});
