/** Two address spaces, one work queue: who may use which page is decided behind the queue, and who waits, in it. */
import {
  type AcceleratorCopy,
  type DeviceBuffer,
  EAGAIN,
  type KernelDriver,
  type PageRequestGroup,
  type Script,
  type Stage,
  scenario,
  us,
} from '../src/index.ts';

const READ_WRITE = { read: true, write: true };
/** Pages of either space. The same numbers mean different memory in each. */
const SOURCE = 0x100;
const TARGET = 0x200;
const RECORDS = 0x300;
/** A target that A has not yet, and a source that only B has. */
const LATER = 0x400;
const OF_B = 0x500;

const ENTRIES = 4;
const RECORD_BYTES = 32;
const text = (words: string) => new TextEncoder().encode(words);
const address = (page: number) => BigInt(page) << 12n;

export default scenario({
  name: '12-shared-work-queue',
  title: 'Two address spaces share one work queue',
  question:
    'A device takes work for two address spaces from one queue. What keeps them apart, what do they have in common, and who is told when the queue is full?',
  look: [
    'Each descriptor carries a PASID, and so do all requests that the device makes for it: one requester id, two sets of page tables. Here the kernel says which PASID (ENQCMDS); for a program the processor does (ENQCMD), so that no program can speak for another.',
    'A descriptor comes as a deferrable write, which is answered: taken, or to be tried again. Of a posted write that finds the queue full, the sender learns nothing.',
    'While the device waits for a page of A, the work of B waits behind it: the page tables are separate, the queue is not.',
  ],
  next: [
    'npx ioasim run 12-shared-work-queue --set devices.0.descriptorsInProgress=2. Which expectations fail now, and who is better off?',
    'npx ioasim run 12-shared-work-queue --set devices.0.entries=8. Who is put off now?',
    'npx ioasim run 12-shared-work-queue --capture queue.pcapng, and look at the PASIDs of the translation requests.',
  ],
  machine: 'intel-scalable',
  needs: ['ats', 'pasid', 'page requests'],
  hardware: {
    rootPorts: [],
    switches: [],
    bridges: [],
    devices: [
      {
        name: 'dsa0',
        model: 'accelerator',
        at: '00:04.0',
        workQueues: 1,
        groups: 1,
        engines: 1,
        entries: ENTRIES,
        descriptorsInProgress: 1,
      },
    ],
  },
  *run(s) {
    s.step(
      'A driver in the kernel takes an accelerator, and lets it send PASIDs, keep translations and ask for pages.',
    );
    const driver = s.driver('dsa0');
    const accelerator = s.acceleratorOf(driver);
    s.expect('All of them can do it.', yield* driver.permit({ ats: true, pasid: true, pageRequests: 32 }), 0);
    yield* driver.setBusMaster(true);

    s.step(
      'It makes two address spaces: A under PASID 5, B under PASID 6. They use the same addresses for different memory.',
    );
    const asked: { pasid: number; page: number }[] = [];
    const a = yield* space(s, driver, 5, serve);
    const b = yield* space(s, driver, 6, serve);
    driver.memory.write(a.source, 0, text('work of A'));
    driver.memory.write(b.source, 0, text('work of B'));
    const later = s.buffer(driver, 1);
    const secret = s.buffer(driver, 1);
    driver.memory.write(secret, 0, text('for B only'));
    s.expect('B has a page more.', yield* driver.map(b.domain, OF_B, secret, READ_WRITE), 0);

    /** Whoever owns the address spaces: A gets page 0x400 when the device asks for it, and nobody gets anything else. */
    function* serve(group: PageRequestGroup): Script {
      const { pasid, requests } = group;
      const { page } = requests[0]!;
      asked.push({ pasid, page });
      yield us(20);
      const granted = pasid === a.pasid && page === LATER;
      if (granted) yield* driver.map(a.domain, LATER, later, READ_WRITE);
      yield* group.respond(granted ? 'success' : 'invalid');
    }

    s.step(`It sets up one work queue for all: ${ENTRIES} entries, and an engine that does one descriptor at a time.`);
    const trouble = yield* accelerator.start({ shared: true, blockOnFault: true });
    s.expect('The queue is enabled.', trouble, undefined);

    s.step(
      'It hands over copies of A and B in turn. The first is of A, to page 0x400, which is not there: the engine waits for it.',
    );
    const copies = [a.copy(SOURCE, LATER), b.copy(), a.copy(), b.copy(), a.copy(), b.copy()] as const;
    const answers: number[] = [];
    for (const copy of copies) answers.push(yield* accelerator.offer(copy));
    const taken = [0, 0, 0, 0, 0, -EAGAIN];
    s.expect('One is in the engine and four are in the queue. The sixth is put off (-EAGAIN).', answers, taken);
    yield us(5);
    s.expect('The page is asked for, for A.', asked, [{ pasid: a.pasid, page: LATER }]);
    s.check('The first copy of B has not ended, though none of its pages is missing.', !isOver(copies[1]));

    s.step('It tries again each microsecond, until the queue has room.');
    let attempts = 1;
    for (let answer = answers[5]; answer === -EAGAIN; attempts++) {
      yield us(1);
      answer = yield* accelerator.offer(copies[5]);
    }
    s.note(`The sixth copy was accepted at attempt ${attempts}.`);
    s.check('It was put off more than once.', attempts > 2);
    s.check('It was accepted only after the first copy had its page.', isOver(copies[0]));

    s.step('The driver waits for all completion records. Each copy has gone through the page tables of its PASID.');
    for (const [i, copy] of copies.entries()) {
      s.expect(`Copy ${i + 1}, for PASID ${copy.pasid}, has succeeded.`, (yield* accelerator.finish(copy)).ok, true);
    }
    s.expect('A has what it copied.', read(a.target), 'work of A');
    s.expect('B has what it copied.', read(b.target), 'work of B');
    s.expect('A has it in the page that came later, too.', read(later), 'work of A');

    s.step(
      'A copy of A names page 0x500, where only B has something. The device asks for that page, for A, and is refused.',
    );
    const theft = a.copy(OF_B, TARGET);
    s.expect('The completion record tells of the page fault.', yield* accelerator.copy(theft), {
      ok: false,
      error: 'PAGE_FAULT_IR',
      completed: 0,
      faultAddress: address(OF_B),
    });
    s.expect('It was asked for as a page of A.', asked.at(-1), { pasid: a.pasid, page: OF_B });
    s.expect('A has what it had.', read(a.target), 'work of A');

    s.step('A copy of B names the same address, through the same queue.');
    s.expect('It succeeds.', (yield* accelerator.copy(b.copy(OF_B, TARGET))).ok, true);
    s.expect('B has it.', read(b.target), 'for B only');
    s.expect('Nobody was asked this time.', asked.length, 2);
    s.expect('The IOMMU has recorded no fault: to a translation request, no is an answer.', s.faults(), []);
    s.expect('Everything is given back.', yield* driver.release(), 0);

    function read(buffer: DeviceBuffer): string {
      const bytes = driver.memory.read(buffer, 0, 10);
      return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0) < 0 ? bytes.length : bytes.indexOf(0)));
    }
  },
});

/** The first byte of a completion record is its status: 0 until the device has written it. */
function isOver({ record }: AcceleratorCopy): boolean {
  return record.read(1)[0] !== 0;
}

/** An address space under a PASID with a source, a target and completion records, and what makes copies in it. */
function* space(s: Stage, driver: KernelDriver, pasid: number, serve: (group: PageRequestGroup) => Script) {
  const domain = yield* s.domain(driver, { stage: 'first' });
  const source = s.buffer(driver, 1);
  const target = s.buffer(driver, 1);
  const records = s.buffer(driver, 1);
  yield* driver.map(domain, SOURCE, source, READ_WRITE);
  yield* driver.map(domain, TARGET, target, READ_WRITE);
  yield* driver.map(domain, RECORDS, records, READ_WRITE);
  const onPageRequest = (group: PageRequestGroup) => void s.machine.engine.spawn(serve(group), 'page fault');
  s.expect(`PASID ${pasid} is attached.`, yield* driver.attach(domain, { pasid, onPageRequest }), 0);
  let used = 0;
  const copy = (from = SOURCE, to = TARGET): AcceleratorCopy => {
    const at = used++ * RECORD_BYTES;
    const record = {
      iova: address(RECORDS) + BigInt(at),
      read: (length: number) => driver.memory.read(records, at, length),
      write: (bytes: Uint8Array) => driver.memory.write(records, at, bytes),
    };
    return { from: address(from), to: address(to), bytes: 64, pasid, record };
  };
  return { pasid, domain, source, target, copy };
}
