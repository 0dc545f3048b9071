/** Interrupts in simulated time: what posting waits for (VT-d 5.2.4), and what may be cached meanwhile. */
import { describe, expect, it } from 'vitest';
import { finish, InterruptMessage, TimedIommu } from '../../hardware/iommu/index.ts';
import type { PhysicalMemory } from '../../hardware/memory/index.ts';
import type { VtdUnit } from '../../hardware/vtd/index.ts';
import type { Fault } from '../../hardware/vtd/spec/index.ts';
import { Board, RID } from '../pcie/board.ts';
import { bareUnit } from './bare-unit.ts';
import { capabilities } from './capability.ts';
import { BOTH, CONTEXT, DATA, IRE, IRT, QIE, QUEUE, REG, ROOT, SIRTP, SRTP, TE, tableAt } from './tables.ts';

const PID = 0x4_0000;
const TO_23 = 0x0000_2300_00f2_0000n;
const posted = (vector: number): bigint => 0x0004_0000_0000_8001n | (BigInt(vector) << 16n);
/** Remappable, without subhandle. */
const request = (index: number): number => 0xfee0_0010 + index * 32;

function makeUnit(memory: PhysicalMemory): VtdUnit {
  const spec = {
    capabilities: capabilities({ pi: true, major: 5 }),
    iotlb: { sets: 4, ways: 4 },
    contextCache: { sets: 4, ways: 4 },
    interruptEntryCache: { sets: 4, ways: 4 },
  };
  const unit = bareUnit(spec, { memory });
  unit.write(REG.IRTA, 8, IRT | 7n);
  unit.write(REG.IQA, 8, QUEUE);
  for (const command of [SIRTP, IRE, IRE | QIE]) unit.write(REG.GCMD, 4, command);
  return unit;
}

function irte(memory: PhysicalMemory, index: number, lo: bigint): void {
  memory.write64(Number(IRT) + index * 16, lo);
}

describe('A posted interrupt in simulated time', () => {
  /** A board whose device writes through four levels of tables: each write takes longer than posting. */
  function board() {
    const made = new Board().bringUp();
    const { memory } = made;
    const unit = makeUnit(memory);
    made.rootComplex.attach(new TimedIommu(made.engine, unit, made.controller));
    memory.write64(Number(ROOT), CONTEXT | 1n);
    memory.write64(Number(CONTEXT) + RID * 16, tableAt(4) | 1n);
    memory.write64(Number(CONTEXT) + RID * 16 + 8, 0x102n);
    for (let level = 4; level > 1; level--) memory.write64(Number(tableAt(level)), tableAt(level - 1) | BOTH);
    for (let page = 0n; page < 64n; page++) {
      memory.write64(Number(tableAt(1) + page * 8n), (DATA + page * 0x1000n) | BOTH);
    }
    unit.write(REG.RTADDR, 8, ROOT);
    unit.write(REG.GCMD, 4, IRE | QIE | SRTP);
    unit.write(REG.GCMD, 4, IRE | QIE | TE);
    memory.write64(PID + 32, TO_23);
    const send = (address: number, length: number): void => {
      const fn = made.dma.function;
      const tlp = fn.take().memoryWrite(RID, 0, address, length);
      tlp.data!.fill(address < 0x100_0000 ? 0xaa : 0, 0, length);
      fn.send(tlp);
    };
    return { made, memory, send };
  }

  it('is recorded only when the data is there that was written before it, and the notification comes last.', () => {
    const { made, memory, send } = board();
    irte(memory, 3, posted(0x41));
    send(request(3), 4);
    made.engine.run();
    expect(made.interrupts).toMatchObject([{ address: 0xfee2_3000, data: 0x40f2 }]);
    memory.write64(PID + 8, 0n);
    memory.write64(PID + 32, TO_23);
    // The entry is cached now: posting needs three accesses, each write seven.
    send(0x1000, 64);
    send(request(3), 4);
    send(0x2000, 64);
    while (memory.read64(PID + 8) === 0n) expect(made.engine.step()).toBe(true);
    expect(memory.read64(Number(DATA) + 0x1000)).toBe(0xaaaa_aaaa_aaaa_aaaan);
    expect(memory.read64(Number(DATA) + 0x2000), 'what comes later waits').toBe(0n);
    expect(made.interrupts).toHaveLength(1);
    made.engine.run();
    expect(made.interrupts).toHaveLength(2);
    expect(memory.read64(Number(DATA) + 0x2000)).toBe(0xaaaa_aaaa_aaaa_aaaan);
    expect(memory.read64(PID + 32)).toBe(TO_23 | 1n);
    expect(made.rootComplex.state).toMatchObject({ writes: 2, interrupts: 2, refused: 0 });
  });

  it('that is not to be announced delivers nothing, and one that is blocked holds nothing up.', () => {
    const { made, memory, send } = board();
    irte(memory, 3, posted(0x41));
    irte(memory, 4, 0x0041_0001n);
    memory.write64(PID + 32, TO_23 | 2n);
    for (const address of [request(3), request(4), request(5), 0x1000]) send(address, address < 0x10_0000 ? 64 : 4);
    memory.write64(PID + 40, 1n);
    send(request(3), 4);
    made.engine.run();
    expect(made.interrupts).toMatchObject([{ address: 0xfee0_0000, data: 0x4041 }]);
    expect(made.rootComplex.state).toMatchObject({ writes: 1, interrupts: 1, refused: 3 });
    memory.write64(PID + 40, 0n);
    send(request(3), 4);
    made.engine.run();
    expect(memory.read64(PID + 8)).toBe(2n);
    expect(made.interrupts).toHaveLength(1);
    expect(made.rootComplex.inFlight).toBe(0);
  });
});

describe('Interrupts under way at once', () => {
  it('to one descriptor are all posted, with one notification.', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { memory } = new Board();
      const unit = makeUnit(memory);
      memory.write64(PID + 32, TO_23);
      const walks = Array.from({ length: 8 }, (_, i) => {
        irte(memory, i, posted(0x40 + i));
        const message = new InterruptMessage<Fault>().ask(0x18, 0, request(i), 0);
        return { message, walk: unit.walkInterrupt(message) };
      });
      const open = [...walks];
      for (let dice = seed; open.length > 0; dice = (dice * 48_271) % 0x7fff_ffff) {
        const one = open[dice % open.length]!;
        const step = one.walk.next();
        if (step.done === true) open.splice(open.indexOf(one), 1);
        else memory.perform(step.value);
      }
      expect(walks.filter(({ message }) => message.delivered)).toHaveLength(1);
      expect(walks.every(({ message }) => message.fault === null)).toBe(true);
      expect(memory.read64(PID + 8)).toBe(0xffn);
      expect(memory.read64(PID + 32)).toBe(TO_23 | 1n);
    }
  });

  it('do not bring back an entry that was fetched before its invalidation.', () => {
    const { memory } = new Board();
    const unit = makeUnit(memory);
    irte(memory, 3, 0x0041_0001n);
    const late = new InterruptMessage<Fault>().ask(0x18, 0, request(3), 0);
    const walk = unit.walkInterrupt(late);
    memory.perform(walk.next().value as never);
    irte(memory, 3, 0x0042_0001n);
    memory.write64(Number(QUEUE), 0x14n | (3n << 32n));
    unit.write(REG.IQT, 8, 0x10n);
    expect(unit.read(REG.IQH, 8)).toBe(0x10n);
    finish(walk, memory);
    expect(late.data, 'in flight before the invalidation').toBe(0x4041);
    const next = new InterruptMessage<Fault>().ask(0x18, 0, request(3), 0);
    finish(unit.walkInterrupt(next), memory);
    expect(next.data).toBe(0x4042);
  });

  it('use the table that was set when they arrived.', () => {
    const { memory } = new Board();
    const unit = makeUnit(memory);
    irte(memory, 3, 0x0000_1200_0041_0001n);
    const message = new InterruptMessage<Fault>().ask(0x18, 0, request(3), 0);
    const walk = unit.walkInterrupt(message);
    memory.perform(walk.next().value as never);
    unit.write(REG.IRTA, 8, 0x800n | 7n);
    unit.write(REG.GCMD, 4, IRE | QIE | SIRTP);
    finish(walk, memory);
    expect(message).toMatchObject({ fault: null, hi: 0, lo: 0xfee1_2000 | 0, data: 0x4041 });
  });
});
