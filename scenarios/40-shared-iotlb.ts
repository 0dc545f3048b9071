/** Devices behind one IOMMU share its IOTLB: what one hears of another by the time of its own reads, and how to be quiet. */
import {
  type DmaEngineDriver,
  type Instant,
  type IommuDomain,
  type KernelDriver,
  type Script,
  type Stage,
  scenario,
  us,
} from '../src/index.ts';

const PAGE = 0x100;
const READ_ONLY = { read: true, write: false };
/** What dma0 knows. It has work to do in the turns of the ones. */
const SECRET = [1, 0, 1, 1];
const ONES = SECRET.map(() => 1);
const ZEROS = SECRET.map(() => 0);
const WORK = Uint8Array.of(0x2a);
/** Until an interrupt has been heard of. */
const PATIENCE = us(1);

export default scenario({
  name: '40-shared-iotlb',
  title: 'Listening to the IOTLB',
  question: 'Two devices share nothing but an IOMMU. What does one learn of the other without touching its memory?',
  look: [
    'spy0 reads pages of its own, and no other: no fault, and nothing that a kernel could forbid. What it measures is from its command to the interrupt that tells of the end.',
    'It fills one set of the IOTLB (prime). A page of dma0 that belongs there pushes the oldest page of spy0 out. Then spy0 reads that page (probe): a walk takes longer than a hit.',
    'The tags keep translations apart, not places. Neither vendor’s specification has a partition of the IOTLB that software could ask for.',
    'In the second act the IOTLB says the same as before, and it is no secret any more. In the third dma0 asks the IOMMU nothing while it is listened to.',
  ],
  next: [
    'Run it with --set iommu.iotlb.policy=random. How often is spy0 wrong now, and how many turns would it need to be sure?',
    'Run it with --set iommu.iotlb.sets=1 --set iommu.iotlb.ways=128, as on the machine itself. How many reads does a bit cost? What would it cost if spy0 did not know the sets?',
    'Let dma0 work on one page more than its device-TLB holds. What does spy0 hear in the third act?',
    'What could a kernel do that lets the two take turns? Look at 35-deferred-invalidation for the price of an invalidation.',
  ],
  machine: 'intel-scalable',
  needs: ['ats'],
  measures: true,
  iotlb: { sets: 2, ways: 2 },
  hardware: {
    rootPorts: [
      { name: 'port0', at: '00:1c.0' },
      { name: 'port1', at: '00:1d.0' },
    ],
    devices: [
      { name: 'spy0', model: 'dma-engine', at: 'port0:00.0' },
      { name: 'dma0', model: 'dma-engine', at: 'port1:00.0', deviceTlb: { sets: 1, ways: 4 } },
    ],
  },

  *run(s) {
    const { sets, ways } = s.machine.spec.iommu.iotlb;
    s.step('Two drivers take a device each. Each has an address space of its own.');
    const spy = yield* take(s, 'spy0', sets * ways);
    const victim = yield* take(s, 'dma0', 1);
    const readTime = yield* stopwatch(s, spy);
    let undone = 0;
    /** dma0 does its work: it reads what is there. */
    function* work(): Script {
      const result = yield* victim.engine.read(addressOf(PAGE), WORK.length);
      if (!result.ok || result.data[0] !== WORK[0]) undone++;
    }
    /** Nanoseconds that the oldest page of a set takes after a turn of dma0. */
    function* listen(set: number, turn: () => Script): Script<number> {
      for (let way = 0; way < ways; way++) yield* readTime(PAGE + set + way * sets);
      yield* turn();
      return yield* readTime(PAGE + set);
    }

    s.step(`spy0 looks for the set that dma0 uses: there are ${sets} sets of ${ways} ways. dma0 works all the time.`);
    const quiet = yield* listen(0, idle);
    const heard: number[] = [];
    for (let set = 0; set < sets; set++) heard.push(yield* listen(set, work));
    const loud = Math.max(...heard);
    const set = heard.indexOf(loud);
    const bitsOf = (times: readonly number[]) => times.map((time) => (time > (quiet + loud) / 2 ? 1 : 0));
    const areAlike = (times: readonly number[]) => Math.max(...times) - Math.min(...times) < (loud - quiet) / 10;
    s.note(`A read takes ${quiet} ns, and ${loud} ns when dma0 has worked and the page is of set ${set}.`);
    s.check('A page that was pushed out is read more slowly.', loud > quiet);
    s.expect('One set tells of dma0.', bitsOf(heard).filter((bit) => bit === 1).length, 1);

    /** The times of all turns, in which dma0 does what `turn` says for the bit. */
    function* eavesdrop(turn: (bit: number) => Script): Script<number[]> {
      const times: number[] = [];
      for (const bit of SECRET) times.push(yield* listen(set, () => turn(bit)));
      s.note(`spy0 measures ${times.join(', ')} ns.`);
      return times;
    }

    s.note('First act: dma0 works when there is work.');
    s.step('Turn by turn, dma0 reads its page when a bit of its secret is 1. spy0 listens.');
    const spoken = yield* eavesdrop((bit) => (bit === 1 ? work() : idle()));
    s.expect('spy0 has the secret.', bitsOf(spoken), SECRET);
    s.expect('Nobody has noticed: no fault.', s.faults(), []);

    s.note('Second act: dma0 works always.');
    s.step('Its driver lets it read the page in each turn, and throws away what it does not need.');
    const covered = yield* eavesdrop(work);
    s.expect('spy0 hears dma0 in each turn.', bitsOf(covered), ONES);
    s.check('Zeros sound like ones.', areAlike(covered));

    s.note('Third act: dma0 keeps its translations to itself.');
    s.step('Its driver lets it have a device-TLB (ATS). dma0 asks once where its page lies.');
    s.expect('It is detached.', yield* victim.driver.detach(victim.domain), 0);
    s.expect('Device and IOMMU can do it.', yield* victim.driver.permit({ ats: true }), 0);
    s.expect('It is attached again.', yield* victim.driver.attach(victim.domain), 0);
    yield* work();

    s.step('Turn by turn, dma0 works when there is work, as in the first act.');
    const silent = yield* eavesdrop((bit) => (bit === 1 ? work() : idle()));
    s.expect('spy0 hears nothing.', bitsOf(silent), ZEROS);
    s.check('Ones sound like zeros.', areAlike(silent));
    s.expect('No fault is on record.', s.faults(), []);
    const worked = SECRET.filter((bit) => bit === 1).length;
    s.expect('dma0 has read what is there whenever it worked.', undone, 0);
    s.expect('In the third act it has asked once.', s.deviceTlb('dma0'), { hits: worked, misses: 1, faults: 0 });
  },
});

interface Taken {
  readonly driver: KernelDriver;
  readonly engine: DmaEngineDriver;
  readonly domain: IommuDomain;
}

/** A device with so many pages of an address space of its own. */
function* take(s: Stage, name: string, pages: number): Script<Taken> {
  const driver = s.driver(name);
  yield* driver.setBusMaster(true);
  const domain = yield* s.domain(driver);
  const buffer = s.buffer(driver, pages);
  driver.memory.write(buffer, 0, WORK);
  s.expect(`${name} has memory.`, yield* driver.map(domain, PAGE, buffer, READ_ONLY), 0);
  s.expect(`${name} is attached.`, yield* driver.attach(domain), 0);
  return { driver, engine: s.dmaEngineOf(driver), domain };
}

/** What reads a page and says how long that took: nanoseconds from the command to the interrupt. */
function* stopwatch(s: Stage, { driver, engine }: Taken): Script<(page: number) => Script<number>> {
  let end: Instant = s.now;
  // biome-ignore lint/correctness/useYield: it only looks at the clock
  const result = yield* driver.requestInterrupt(0, function* () {
    end = s.now;
  });
  s.expect('spy0 has an interrupt.', result, 0);
  return function* (page) {
    const start = s.now;
    yield* engine.read(addressOf(page), 1, { interrupt: true });
    yield PATIENCE;
    return Math.round((end - start) / 1000);
  };
}

function* idle(): Script {}

function addressOf(page: number): bigint {
  return BigInt(page) * 4096n;
}
