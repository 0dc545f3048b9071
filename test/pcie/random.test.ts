import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ns, timer } from '../../hardware/sim/index.ts';
import { Board, pattern, ScriptedAgent, type Size, START_READ, START_WRITE } from './board.ts';

const size = fc.integer({ min: 0, max: 5 }).map((code) => code as Size);

const transfers = fc.array(
  fc.record({
    write: fc.boolean(),
    address: fc.nat(0x3fff),
    length: fc.integer({ min: 1, max: 4096 }),
    seed: fc.nat(250),
  }),
  { minLength: 1, maxLength: 4 },
);

describe('Any transfers over any link, with an agent that answers in any order,', () => {
  it('leave buffer and memory as a plain copy would, and nothing under way', () => {
    fc.assert(
      fc.property(
        fc.record({
          link: fc.record({
            generation: fc.constantFrom(1, 3, 4, 6),
            width: fc.constantFrom(1, 4, 16),
            credits: fc.record({ PH: fc.integer({ min: 1, max: 4 }), NPH: fc.integer({ min: 1, max: 4 }) }),
          }),
          payload: size,
          readRequest: size,
          delays: fc.array(fc.nat(3000), { minLength: 1, maxLength: 7 }),
          transfers,
        }),
        ({ link, payload, readRequest, delays, transfers }) => {
          const board = new Board({ link: link as never }).bringUp({ payload, readRequest });
          let n = 0;
          const agent = new ScriptedAgent((request, answer) => {
            const handle = () => {
              request.passThrough();
              answer();
            };
            timer(board.engine, ns(delays[n++ % delays.length]!)).wake({ handle });
          });
          board.rootComplex.attach(agent);
          const twin = pattern(0x5000, 3);
          board.memory.write(0, twin);
          for (const { write, address, length, seed } of transfers) {
            if (write) {
              const bytes = pattern(4096, seed);
              board.dma.memoryWrite(0, 0x1000, bytes, 4096);
              twin.set(bytes.subarray(0, length), address);
            }
            const command = write ? START_WRITE : START_READ;
            expect(board.transfer({ address: BigInt(address), length, command })).toBe(0b010);
            const buffer = new Uint8Array(length);
            board.dma.memoryRead(0, 0x1000, buffer, length);
            expect(Buffer.compare(buffer, twin.subarray(address, address + length))).toBe(0);
          }
          expect(Buffer.compare(board.memory.read(0, twin.length)!, twin)).toBe(0);
          expect([board.link.top.pool.taken, board.rootComplex.inFlight, board.engine.pending]).toEqual([0, 0, 0]);
        },
      ),
      { numRuns: 40 },
    );
  });
});
