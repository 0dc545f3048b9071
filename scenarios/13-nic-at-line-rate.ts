/** A network interface that cannot wait: what holds it up, what it drops, and what becomes of a frame without a page. */
import {
  bytesOfQueue,
  type Instant,
  IOASID_ALLOC,
  IOASID_MAP_DMA,
  IOASID_UNMAP_DMA,
  IoasidMapFlag,
  ns,
  type Received,
  type ReceiveRing,
  type Script,
  type Stage,
  scenario,
  us,
  VFIO_ATTACH_IOASID,
  VFIO_BIND_IOASID_FD,
} from '../src/index.ts';

const { READ, WRITE } = IoasidMapFlag;
const PAGE = 0x1000;
/** Eight descriptors in a page of their own, then a buffer for each, two in a page. */
const SHAPE = { log2: 3, bufferBytes: 0x800 };
/** One descriptor stays unused: a full ring is not an empty one. */
const BUFFERS = 7;
const SIZE = bytesOfQueue(SHAPE);
/** Where the ring is for the device, and where the second half of the buffers begins. */
const IOVA = 0x10_0000n;
const SECOND_HALF = BigInt(PAGE + 4 * SHAPE.bufferBytes);

/** Gigabits per second. */
const LINE_RATE = 10;
const FRAME_BYTES = 256;
/** With preamble, check sequence and gap. */
const BYTES_ON_WIRE = FRAME_BYTES + 24;

/** `count` numbers from `first` on. */
function numbers(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}

/** Each byte of a frame is its number. */
function frames(first: number, count: number): Uint8Array[] {
  return numbers(first, count).map((number) => new Uint8Array(FRAME_BYTES).fill(number));
}

/** -1 for one that was not sent so. */
function numberOf({ frame, whole }: Received): number {
  const number = frame[0] ?? -1;
  return whole && frame.length === FRAME_BYTES && frame.every((byte) => byte === number) ? number : -1;
}

const MOST_LOOKS = 500;

/** Looks at the ring, in memory, until `count` frames have come out of it: which, and when. Gives up after a while. */
function* take(s: Stage, ring: ReceiveRing, count: number): Script<{ received: number[]; times: Instant[] }> {
  const received: number[] = [];
  const times: Instant[] = [];
  for (let looks = 0; received.length < count && looks < MOST_LOOKS; looks++) {
    const next = yield* ring.poll();
    if (next === null || typeof next === 'number') yield ns(20);
    else {
      received.push(numberOf(next));
      times.push(s.now);
    }
  }
  return { received, times };
}

export default scenario({
  name: '13-nic-at-line-rate',
  title: 'Frames do not wait',
  question:
    'A network interface cannot ask the sender to wait. Who loses a frame, and who notices, when its buffers or their pages are missing?',
  look: [
    'A frame is more than its bytes on the PCIe link: two writes to its buffer, one of its descriptor to the ring, and the read of the descriptor that the driver has given anew. All of them go through the IOMMU.',
    'The first round misses the IOTLB more often than there are pages: what comes while the walk for a page is still under way misses as well. From then on the IOTLB holds the ring and its buffers, and no frame needs a walk.',
    'Without buffers the device drops, and counts: the IOMMU hears nothing. Without a page the IOMMU drops and records: the device hears nothing, counts the frame as received, and the process reads an old frame for a new one.',
  ],
  next: [
    'Run with --set devices.0.lineRate=40: which expectations fail? What does a frame have to wait for, when 7 buffers are all there is?',
    'Run with --set iommu.iotlb.ways=2: the pages of the ring and of the buffers chase each other out. Is a frame dropped, and what suffers instead?',
    'What would have to happen between the unmap and the next frame so that no old frame is taken for a new one? Who can see to that?',
  ],
  measures: true,
  // The way of a descriptor there and back takes time, in which no more frames may come than there are buffers.
  needs: ['near devices'],
  hardware: {
    rootPorts: [{ name: 'port0', at: '00:1c.0' }],
    devices: [{ name: 'nic0', model: 'nic', at: 'port0:00.0', lineRate: LINE_RATE }],
  },

  *run(s) {
    const app = s.process('app');
    const wire = s.machine.wire('nic0');

    s.step('A process takes the network interface and attaches it to an I/O address space.');
    const device = yield* app.open('/dev/vfio/devices/nic0');
    const ioasids = yield* app.open('/dev/ioasid');
    yield* app.ioctl(device, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasids });
    const ioasid = yield* app.ioctl(ioasids, IOASID_ALLOC);
    s.expect('It is attached.', yield* app.ioctl(device, VFIO_ATTACH_IOASID, { ioasid }), 0);

    s.step('It maps a ring with the first half of its buffers, and then the second half.');
    const address = yield* app.mmap(SIZE);
    const first = { ioasid, flags: READ | WRITE, vaddr: address, iova: IOVA, size: SECOND_HALF };
    const second = {
      ...first,
      vaddr: address + SECOND_HALF,
      iova: IOVA + SECOND_HALF,
      size: BigInt(SIZE) - SECOND_HALF,
    };
    s.expect('The first half is mapped.', yield* app.ioctl(ioasids, IOASID_MAP_DMA, first), 0);
    s.expect('So is the second.', yield* app.ioctl(ioasids, IOASID_MAP_DMA, second), 0);

    s.step('Its driver tells the device where the ring is, and gives it 7 buffers.');
    const driver = yield* s.nic(app, device);
    const ring = yield* driver.receiveQueue(0, { address, iova: IOVA }, SHAPE);
    if (typeof ring === 'number') throw new Error(`there is no ring: ${ring}`);
    yield us(2);

    /** Frames arrive at line rate, and the process takes each as it comes. */
    function* pass(sent: Uint8Array[]) {
      const flood = s.machine.engine.spawn(wire.arrive(sent), 'frames');
      const taken = yield* take(s, ring as ReceiveRing, sent.length);
      yield* s.join(flood);
      return taken;
    }

    s.step('8 frames arrive, one right after the other. The process takes each as it comes and gives its buffer back.');
    const cold = s.iotlb();
    s.expect('All have come, whole and in order.', (yield* pass(frames(0, 8))).received, numbers(0, 8));
    const warm = s.iotlb();
    s.note(`IOTLB: ${warm.hits - cold.hits} hits, ${warm.misses - cold.misses} misses.`);

    s.step('8 more arrive: once around the ring, whose pages the IOMMU knows by now.');
    const { received, times } = yield* pass(frames(8, 8));
    s.expect('They have come, too.', received, numbers(8, 8));
    s.expect('None was dropped.', s.received('nic0'), { frames: 16, dropped: 0 });
    const { hits, misses } = s.iotlb();
    s.note(`IOTLB: ${hits - warm.hits} hits, ${misses - warm.misses} misses.`);
    s.expect('Not one request missed the IOTLB.', misses, warm.misses);
    const nanoseconds = (times.at(-1)! - times[0]!) / 1_000;
    const rate = ((times.length - 1) * BYTES_ON_WIRE * 8) / nanoseconds;
    s.note(`With preambles and gaps the process gets ${rate.toFixed(1)} gigabits per second.`);
    s.check('That is the rate of the wire.', Math.abs(rate - LINE_RATE) < LINE_RATE / 50);

    s.step('10 arrive while the process does something else and gives no buffers.');
    yield* wire.arrive(frames(16, 10));
    yield us(2);
    s.expect('For three there was no buffer.', s.received('nic0'), { frames: 16 + BUFFERS, dropped: 3 });
    s.expect('The process finds the seven that came first.', (yield* take(s, ring, 10)).received, numbers(16, BUFFERS));
    s.expect('The next frame finds a buffer again.', (yield* pass(frames(26, 1))).received, numbers(26, 1));
    s.expect('The IOMMU has nothing to say about it.', s.faults(), []);

    s.step('The process unmaps the second half of the buffers, and the device still has them.');
    const { iova, size } = second;
    s.expect('They are unmapped.', yield* app.ioctl(ioasids, IOASID_UNMAP_DMA, { ioasid, iova, size }), 0);

    s.step('7 frames arrive, for one buffer each: four of them mapped, three not.');
    const mixed = (yield* pass(frames(27, 7))).received;
    yield us(20);
    s.expect('The device believes that all are in memory.', s.received('nic0'), { frames: 31, dropped: 3 });
    s.expect('The first four are.', mixed.slice(0, 4), numbers(27, 4));
    s.expect('Instead of the others the process gets what was there: old frames.', mixed.slice(4), numbers(20, 3));
    const blocked = s.faults().map(({ device: who, access, address: page }) => ({ who, access, page }));
    s.expect('The IOMMU has the first of them on record.', blocked[0], { who: 'nic0', access: 'write', page: iova });

    s.step('The process maps them again, and 8 frames arrive.');
    s.expect('They are mapped.', yield* app.ioctl(ioasids, IOASID_MAP_DMA, second), 0);
    s.expect('All have come.', (yield* pass(frames(34, 8))).received, numbers(34, 8));
    s.expect('No fault is new.', s.faults(), []);
  },
});
