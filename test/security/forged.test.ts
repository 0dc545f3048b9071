/** What a device says in the name of others: answers to the CPU, and messages that only a translation agent sends. */
import { describe, expect, it } from 'vitest';
import { BUFFER_OFFSET } from '../../hardware/devices/dma-engine/spec.ts';
import { AcsBit, Attribute, MessageCode, MessageRouting, type RootComplexSpec } from '../../hardware/pcie/index.ts';
import { ns, type Script } from '../../hardware/sim/index.ts';
import type { Attack } from '../../src/user/malicious.ts';
import { barOf, portOf, ridOf, Tree } from '../pcie/tree.ts';
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

/** Where the victim reads 8 bytes, what stands there, and what the attacker says instead. */
const PLACE = 0x1048;
const TRUTH = 0x0102_0304_0506_0708n;
const LIE = new Uint8Array(8).fill(0xee);
const READ = 0b001;
/** All that a completion of the victim's first read has: whoever would complete it must know it. */
const FITTING: Attack = {
  kind: 'COMPLETION_DATA',
  requester: VICTIM,
  tag: 0,
  byteCount: 8,
  address: BigInt(PLACE),
  data: LIE,
};

/**
 * No switch and no root complex looks at who completes a request: completions find their way by the id of the requester alone
 * (PCIe 2.2.9), and Source Validation never affects them (6.12.1.1). What contains a liar is that the requester takes what fits
 * its request and nothing else (2.3.2), and that no way leads from him to the victim.
 */
describe('A completion of a read that another device has sent', () => {
  /** What the victim has read in the end, and how many completions it did not expect. */
  const readUnder = (attack: Attack, rootComplex: Partial<RootComplexSpec> = {}) => {
    const { run, engine, root, driver, memory, victim } = new Neighbours({}, { latency: 3000 }, rootComplex);
    memory.write64(PLACE, TRUTH);
    run(root.mmioWrite(VICTIM_BAR + 0x08, 8, BigInt(PLACE)));
    run(root.mmioWrite(VICTIM_BAR + 0x10, 4, 8n));
    run(root.mmioWrite(VICTIM_BAR + 0x18, 4, BigInt(READ)));
    // It arrives while the victim waits, and the truth after it.
    run(driver.send(attack, 200));
    engine.run();
    expect(root.inFlight).toBe(0);
    return { read: run(root.mmioRead(VICTIM_BAR + BUFFER_OFFSET, 8)), unexpected: victim.dma.state.unexpected };
  };
  const lie = new DataView(LIE.buffer).getBigUint64(0, true);

  it('is believed by that device if it fits the request in everything: its tag is all that is secret', () => {
    // The truth comes too late: nobody waits for it any more.
    expect(readUnder(FITTING)).toEqual({ read: lie, unexpected: 1 });
  });

  it.each<[string, Partial<Attack>]>([
    ['tag', { tag: 1 }],
    ['byte count', { byteCount: 16 }],
    ['lower address', { address: 0n }],
    ['traffic class', { trafficClass: 1 }],
    ['attributes', { attributes: Attribute.RELAXED_ORDERING }],
  ])('is unexpected, and dropped, if it has another %s: the read ends with what is in memory', (_, wrong) => {
    expect(readUnder({ ...FITTING, ...wrong })).toEqual({ read: TRUTH, unexpected: 1 });
  });

  it('does not reach it by way of a root complex that lets no device speak to another', () => {
    expect(readUnder(FITTING, { peerToPeer: false })).toEqual({ read: TRUTH, unexpected: 0 });
  });

  it.each([
    ['straight across, though Source Validation is on', AcsBit.SOURCE_VALIDATION],
    [
      'by way of the root complex with everything redirected',
      AcsBit.SOURCE_VALIDATION | AcsBit.REQUEST_REDIRECT | AcsBit.COMPLETION_REDIRECT | AcsBit.UPSTREAM_FORWARDING,
    ],
  ])('reaches it below a switch %s', (_, services) => {
    const tree = new Tree(services).bringUp();
    for (const n of [0, 1]) {
      const { acs } = tree.bridges.get(`port ${n}`)!.config;
      tree.configure(portOf(n), acs!.offset + 6, 2, services);
    }
    tree.memory.write64(PLACE, TRUTH);
    const { bottom } = tree.links.find(({ name }) => name === 'port 0')!;
    const forge = function* (): Script {
      for (let n = 0; n < 40; n++) {
        yield ns(50);
        const tlp = bottom
          .take()
          .answer(ridOf(1), 0, ridOf(0), 0, 8)
          .withData(PLACE & 0x7f, 8);
        tlp.data!.set(LIE);
        bottom.send(tlp);
      }
    };
    tree.engine.spawn(forge());
    tree.transfer(1, BigInt(PLACE), READ);
    expect(tree.read(barOf(1) + BUFFER_OFFSET)).toBe(lie);
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
