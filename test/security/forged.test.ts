/** What a device says in the name of others: answers to the CPU, and messages that only a translation agent sends. */
import { describe, expect, it } from 'vitest';
import { MessageCode, MessageRouting } from '../../hardware/pcie/index.ts';
import { Neighbours, VICTIM, VICTIM_BAR } from './neighbours.ts';

const DMA_ENGINE_ID = 0x444d4101n;

describe('A completion that nobody asked this device for', () => {
  it('answers no read of the CPU that went to another device, whatever its tag', () => {
    // The victim answers late.
    const { run, engine, root, driver } = new Neighbours({}, { latency: 3000 });
    const reading = () => engine.spawn(root.mmioRead(VICTIM_BAR, 4));
    const reads = Array.from({ length: 8 }, reading);
    const data = new Uint8Array(4).fill(0xee);
    run(driver.send({ kind: 'COMPLETION_DATA', requester: 0, data, byteCount: 4, count: 32 }, 200));
    expect(reads.map((read) => engine.runUntilDone(read))).toEqual(new Array(8).fill(DMA_ENGINE_ID));
  });

  it('is no answer to a write of configuration space either, and leaves nothing behind', () => {
    const { run, engine, root, driver } = new Neighbours({}, { latency: 3000 });
    const started = engine.now;
    const writing = engine.spawn(root.configWrite(VICTIM, 0x3c, 1, 7));
    run(driver.send({ kind: 'COMPLETION', requester: 0, count: 32 }, 200));
    engine.runUntilDone(writing);
    expect(engine.now - started).toBeGreaterThan(6_000_000);
    engine.run();
    expect(root.inFlight).toBe(0);
  });
});

describe('A message that only a translation agent sends', () => {
  it.each([
    ['Invalidate Request', MessageCode.INVALIDATE_REQUEST, 'MESSAGE_DATA'],
    ['PRG Response', MessageCode.PAGE_REQUEST_GROUP_RESPONSE, 'MESSAGE'],
  ] as const)('reaches no other device when a device sends it: %s', (_, messageCode, kind) => {
    const { run, engine, links, driver, root } = new Neighbours();
    let messages = 0;
    links[1].probe = (tlp) => {
      if (tlp.isMessage) messages++;
    };
    const address = BigInt(VICTIM) << 48n;
    run(driver.send({ kind, messageCode, routing: MessageRouting.ID, target: VICTIM, address, length: 8 }));
    // Another message by id goes through.
    const vendor = { messageCode: MessageCode.VENDOR_DEFINED_TYPE_1, routing: MessageRouting.ID, target: VICTIM };
    engine.run();
    expect(messages).toBe(0);
    run(driver.send({ kind: 'MESSAGE', address, ...vendor }));
    engine.run();
    expect(messages).toBe(1);
    expect(root.inFlight).toBe(0);
  });
});
