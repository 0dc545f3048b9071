import { describe, expect, it } from 'vitest';
import { Engine, ns, type Script } from '../../hardware/sim/index.ts';
import { Interrupts } from '../../src/kernel/interrupts.ts';
import { KernelLog } from '../../src/kernel/log.ts';
import { ENOSPC } from '../../src/uapi/index.ts';

function make() {
  const engine = new Engine();
  const log = new KernelLog(engine);
  return { engine, log, interrupts: new Interrupts(engine, log, 500) };
}

function* nothing(): Script {
  yield ns(1);
}

describe('interrupts', () => {
  it('are written to 0xFEE00000 with a vector of their own, from 32 on', () => {
    const { interrupts } = make();
    expect(interrupts.allocate('a', nothing)).toEqual({ address: 0xfee0_0000, data: 0x20 });
    expect(interrupts.allocate('b', nothing)).toEqual({ address: 0xfee0_0000, data: 0x21 });
  });

  it('end with ENOSPC when there is no vector, until one is given back', () => {
    const { interrupts } = make();
    for (let i = 0x20; i <= 0xef; i++) expect(interrupts.allocate('x', nothing)).toMatchObject({ data: i });
    expect(interrupts.allocate('x', nothing)).toBe(-ENOSPC);
    interrupts.free({ address: 0xfee0_0000, data: 0x30 });
    expect(interrupts.allocate('x', nothing)).toMatchObject({ data: 0x30 });
  });

  it('run their handler after the latency, once more for messages that come meanwhile, and never twice at a time', () => {
    const { engine, interrupts } = make();
    const runs: number[] = [];
    let running = 0;
    const message = interrupts.allocate('x', function* () {
      running++;
      expect(running).toBe(1);
      runs.push(engine.now);
      yield ns(1000);
      running--;
    });
    if (typeof message === 'number') throw new Error('no vector');
    interrupts.deliver(message.address, message.data);
    engine.runUntil(ns(600) as unknown as typeof engine.now);
    for (let i = 0; i < 3; i++) interrupts.deliver(message.address, message.data);
    engine.run();
    expect(runs).toEqual([ns(500), ns(2000)]);
  });

  it('that nobody handles are noted and do no harm', () => {
    const { engine, log, interrupts } = make();
    interrupts.deliver(0xfee0_0000, 0x77);
    interrupts.deliver(0xfee0_1000, 0x20);
    engine.run();
    expect(log.lines.map(({ text }) => text)).toEqual([
      'interrupt: nobody handles vector 119',
      'interrupt: nobody handles vector 32',
    ]);
  });
});
