/** What a queue of faults says, by itself: PASIDs only where they are the program's, and groups that come whole or not at all. */
import { describe, expect, it } from 'vitest';
import { Engine } from '../../hardware/sim/index.ts';
import { FAULTS } from '../../hardware/vtd/spec/index.ts';
import type { IommuFault } from '../../src/kernel/fault-log.ts';
import { FaultPoints } from '../../src/kernel/fault-points.ts';
import { FaultQueue, type FaultSource } from '../../src/kernel/ioasid/fault-queue.ts';
import { PageRequestGroup, type PageResponse } from '../../src/kernel/iommu/attachments.ts';
import { reasonOf } from '../../src/kernel/vtd/fault-reasons.ts';

const PLACES = 256;
const PASID = 0x77;
const SPACE: FaultSource = { ioasid: 3, cookie: 8n, mayAsk: true, isPasidTable: false };
const LOST = 4;
/** RECOVERABLE, LAST_PAGE, PASID_VALID. */
const LAST_OF_PASID = 11;

function bench(source = SPACE) {
  const engine = new Engine();
  const faultPoints = new FaultPoints();
  const queue = new FaultQueue(engine, faultPoints);
  const answers: (readonly [index: number, response: PageResponse])[] = [];
  const ask = (index: number, pages: number): void => {
    const request = { page: 1, read: true, write: false, execute: false, privileged: false };
    const from = { requester: 8, pasid: PASID, index, requests: new Array(pages).fill(request) };
    // biome-ignore lint/correctness/useYield: hardware that takes no time
    const group = new PageRequestGroup(from, function* (_, response) {
      answers.push([index, response]);
      return 0;
    });
    queue.listen(() => source).onPageRequest!(group);
    engine.run();
  };
  return { engine, faultPoints, queue, answers, ask };
}

describe('A queue of faults', () => {
  it('tells a PASID where the space is a PASID table, and nowhere else.', () => {
    const table = bench({ ...SPACE, isPasidTable: true });
    table.ask(1, 1);
    expect(table.queue.peek(9)).toMatchObject([{ flags: LAST_OF_PASID, vpasid: PASID }]);
    const single = bench();
    single.ask(1, 1);
    expect(single.queue.peek(9)).toMatchObject([{ flags: 3, vpasid: 0 }]);
  });

  it('takes a group whole or refuses it, and has its places again when it is answered.', () => {
    const { engine, queue, answers, ask } = bench();
    ask(1, PLACES - 1);
    ask(2, 2);
    expect(answers).toEqual([[2, 'invalid']]);
    ask(3, 1);
    expect(answers).toHaveLength(1);
    queue.consume(PLACES);
    ask(4, 1);
    expect(answers.at(-1)).toEqual([4, 'invalid']);
    const answer = engine.spawn(queue.respond({ ioasid: 3, group: 1, code: 0 }));
    engine.run();
    expect(answer.result).toBe(0);
    ask(5, PLACES - 1);
    expect(queue.peek(PLACES)).toHaveLength(PLACES - 1);
    expect(answers).toHaveLength(3);
  });

  it('without memory for a record refuses a page request, loses a fault, and says so with the next.', () => {
    const { faultPoints, queue, answers, ask } = bench();
    const { onFault } = queue.listen(() => SPACE);
    const told = { requester: 8, pasid: -1, address: 0x5000n, access: 'read', reason: 5 } as IommuFault;
    const refused: string[] = [];
    faultPoints.refuse = (point) => refused.push(point) > 0;
    ask(1, 1);
    onFault!(told);
    faultPoints.refuse = null;
    expect(refused).toEqual(['fault record', 'fault record']);
    expect(answers).toEqual([[1, 'invalid']]);
    expect(queue.peek(9)).toEqual([]);
    onFault!(told);
    expect(queue.peek(9)).toMatchObject([{ flags: LOST, addr: 0x5000n }]);
  });

  it('that is closed refuses what waits and what comes.', () => {
    const { engine, queue, answers, ask } = bench();
    ask(1, 1);
    engine.spawn(queue.close());
    engine.run();
    ask(2, 1);
    expect(answers).toEqual([
      [1, 'invalid'],
      [2, 'invalid'],
    ]);
    expect(queue.peek(9)).toEqual([]);
  });
});

describe('Reasons of VT-d', () => {
  it.each<[string, number, number]>([
    ['a first-stage entry that is not present', 0x71, 5],
    ['a second-stage entry that could not be read', 0x78, 4],
    ['a missing right to write', 0x85, 6],
    ['a PASID entry that is not present', 0x59, 2],
    ['a PASID table that could not be read', 0x58, 1],
    ['a PASID that is too large', 0x46, 3],
    ['an address that is not canonical', 0x80, 8],
    ['a context entry that is not present', 0x41, 0],
  ])('say of %s what programs hear of any IOMMU.', (_, code, reason) => {
    expect(reasonOf(code)).toBe(reason);
  });

  it('are known of every fault in tables of a PASID and behind.', () => {
    const stages = [
      'pasid directory',
      'pasid entry',
      'first stage',
      'second stage',
      'general',
      'host permission table',
    ];
    const unknown = Object.values(FAULTS).filter(({ stage, code }) => stages.includes(stage) && reasonOf(code) === 0);
    expect(unknown).toEqual([]);
  });
});
