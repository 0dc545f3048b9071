/** An interrupt is a memory write: what a device can do with that, and what keeps it to its own interrupts. */
import {
  type DmaEngineDriver,
  type KernelDriver,
  type MaliciousDriver,
  type Script,
  type Stage,
  scenario,
  us,
} from '../src/index.ts';

const INTERRUPT_RANGE = 0xfee0_0000n;
/** The first vectors that the kernel gives away, one of which dma0 has. */
const GUESSES = [0x20, 0x21, 0x22, 0x23];
const IOVA = 0x10_0000n;
const PAGE = 0x100;

export default scenario({
  name: '34-forged-interrupts',
  title: 'A write that is an interrupt',
  question: 'A device that may not reach one byte of memory can still write to FEE0_0000h. What can it do there?',
  look: [
    'Address translation has no say: a write to the interrupt range is not looked up in any page table.',
    'In the first act the data of the write is the vector, and whoever writes it raises it: the handler of dma0 runs, and dma0 has done nothing.',
    'In the second act a message is only an index. On Intel all devices share a table, and each entry names its owner (SVT, SID); on AMD the device’s own id leads to a table of its own.',
  ],
  next: [
    'npx ioasim inspect interrupts --scenario 34-forged-interrupts shows the entries at the end. On amd-full, too.',
    'Why must the unit’s own fault interrupt not go through the table?',
    'What becomes possible when an entry names no owner, or devices share a table? Look for CVE-2013-1952 (Intel) and CVE-2013-0153 (AMD).',
  ],
  needs: ['interrupt remapping'],
  hardware: {
    rootPorts: [
      { name: 'port0', at: '00:1c.0' },
      { name: 'port1', at: '00:1d.0' },
    ],
    devices: [
      { name: 'dma0', model: 'dma-engine', at: 'port0:00.0' },
      { name: 'evil0', model: 'malicious', at: 'port1:00.0' },
    ],
  },

  *run(s) {
    s.note('First act: every write to the interrupt range is an interrupt.');
    const open = yield* prepare(s);
    s.step('evil0 does not know which vector dma0 has. It tries four.');
    for (const vector of GUESSES) yield* raise(open.evil, { address: INTERRUPT_RANGE, data: vector });
    yield us(20);
    s.expect('The handler of dma0 has run, and dma0 had nothing to say.', open.seen.dma0, 2);
    s.check('Others have reached the CPU, where nobody knows them.', s.machine.kernel.interrupts.counts.unhandled > 0);
    s.expect('Nothing is on record.', s.faults(), []);

    s.note('Second act: the same machine under a kernel that remaps interrupts.');
    yield* s.reboot({ interruptRemapping: 'on' });
    const closed = yield* prepare(s);
    s.step('evil0 tries the same four.');
    for (const vector of GUESSES) yield* raise(closed.evil, { address: INTERRUPT_RANGE, data: vector });
    yield us(20);
    s.expect('The handler of dma0 has run for dma0 only.', closed.seen.dma0, 1);
    s.expect('The CPU has seen none of them.', s.machine.kernel.interrupts.counts.unhandled, 0);
    s.expect(
      'All four are on record.',
      attempts(s),
      GUESSES.map(() => ({ device: 'evil0', access: 'interrupt' })),
    );

    s.step('It has found out what dma0 writes, bit by bit, and writes the same.');
    const [message] = closed.dma0.interruptMessages;
    yield* raise(closed.evil, { address: BigInt(message!.address), data: message!.data });
    yield us(20);
    s.expect('From evil0 it leads nowhere.', closed.seen.dma0, 1);
    s.expect('That is on record, too.', attempts(s), [{ device: 'evil0', access: 'interrupt' }]);

    s.step('The driver of evil0 asks for an interrupt. The kernel enters it for evil0.');
    const [own] = yield* requested(closed);
    yield* raise(closed.evil, { address: BigInt(own!.address), data: own!.data });
    yield us(20);
    s.expect('This one evil0 can raise.', closed.seen, { dma0: 1, evil0: 1 });
    yield* closed.engine.write(IOVA, Uint8Array.of(3), { interrupt: true });
    yield us(20);
    s.expect('dma0 goes on as before.', closed.seen, { dma0: 2, evil0: 1 });

    s.step('The driver of evil0 lets go of it. The entry goes with it.');
    s.expect('Everything is given back.', yield* closed.evil0.release(), 0);
    yield* raise(closed.evil, { address: BigInt(own!.address), data: own!.data });
    yield us(20);
    s.expect('It is not even heard any more.', closed.seen, { dma0: 2, evil0: 1 });
    s.expect('It is on record.', attempts(s), [{ device: 'evil0', access: 'interrupt' }]);
  },
});

interface Act {
  readonly seen: { dma0: number; evil0: number };
  readonly dma0: KernelDriver;
  readonly evil0: KernelDriver;
  readonly engine: DmaEngineDriver;
  readonly evil: MaliciousDriver;
}

/** dma0 with an interrupt that tells of the end of its transfers, and evil0 with nothing at all. */
function* prepare(s: Stage): Script<Act> {
  const seen = { dma0: 0, evil0: 0 };
  s.step('A driver has dma0, and is told by interrupt when a transfer has ended. evil0 is attached to nothing.');
  const dma0 = s.driver('dma0');
  const evil0 = s.driver('evil0');
  yield* dma0.setBusMaster(true);
  yield* evil0.setBusMaster(true);
  const domain = yield* s.domain(dma0);
  const page = s.buffer(dma0, 1);
  yield* dma0.map(domain, PAGE, page, { read: true, write: true });
  yield* dma0.attach(domain);
  // biome-ignore lint/correctness/useYield: it only counts
  const result = yield* dma0.requestInterrupt(0, function* () {
    seen.dma0++;
  });
  s.expect('dma0 has an interrupt.', result, 0);
  const engine = s.dmaEngineOf(dma0);
  yield* engine.write(IOVA, Uint8Array.of(1), { interrupt: true });
  yield us(20);
  s.expect('After a transfer its handler runs.', seen.dma0, 1);
  return { seen, dma0, evil0, engine, evil: s.maliciousOf(evil0) };
}

/** evil0 with an interrupt of its own: what it has to write. */
function* requested({ evil0, seen }: Act) {
  // biome-ignore lint/correctness/useYield: it only counts
  yield* evil0.requestInterrupt(0, function* () {
    seen.evil0++;
  });
  return evil0.interruptMessages;
}

function raise(evil: MaliciousDriver, { address, data }: { readonly address: bigint; readonly data: number }) {
  return evil.send({ kind: 'MEMORY_WRITE', address, data: Uint8Array.of(data & 0xff, data >>> 8, 0, 0) });
}

function attempts(s: Stage): { device: string; access: string }[] {
  return s.faults().map(({ device, access }) => ({ device, access }));
}
