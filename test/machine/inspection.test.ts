import { describe, expect, it } from 'vitest';
import { scenarios } from '../../scenarios/index.ts';
import { buildMachine } from '../../src/machine/index.ts';
import { Run } from '../../src/scenario/index.ts';

describe('the digest of a machine', () => {
  it('is the same for machines in the same state, and differs when time, a register or memory differs', () => {
    const [one, other] = [buildMachine(), buildMachine()];
    const built = one.digest();
    expect(other.digest()).toBe(built);
    one.engine.spawn(one.boot(), 'boot');
    const seen = new Set([built]);
    for (let i = 0; i < 50; i++) {
      one.engine.step();
      seen.add(one.digest());
    }
    expect(seen.size).toBeGreaterThan(25);
  });
});

describe('a tap on the requests', () => {
  it('tells how many DMA requests there were when there are fewer than asked for', () => {
    expect(new Run(scenarios[0]!).advanceToRequest(1000)).toBe(4);
  });

  it('hears of each request with its requester, address and direction', () => {
    const run = new Run(scenarios[0]!);
    const requests = [1, 2, 3, 4].map(() => run.advanceToRequest(1));
    expect(requests).toEqual([
      { requester: 8, pasid: -1, address: 0x10_0000n, write: true },
      { requester: 8, pasid: -1, address: 0x10_1000n, write: false },
      { requester: 8, pasid: -1, address: 0x10_0000n, write: false },
      { requester: 8, pasid: -1, address: 0x10_1000n, write: true },
    ]);
  });
});
