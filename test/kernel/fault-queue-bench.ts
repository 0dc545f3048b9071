/** A process that hears of the faults of a device which may ask for pages: `/dev/iommu`, a bound device, what it reads and answers. */
import { DMA_ENGINE, DmaEngine } from '../../hardware/devices/dma-engine/index.ts';
import type { DeviceMessage } from '../../hardware/iommu/index.ts';
import type { Script } from '../../hardware/sim/index.ts';
import { NO_PASID } from '../../src/kernel/iommu/attachments.ts';
import type { PciDevice } from '../../src/kernel/pci/index.ts';
import { IOMMU_FAULT, IOMMU_PAGE_RESPONSE, type ObjectIn, VFIO_BIND_IOMMU_FD } from '../../src/uapi/index.ts';
import { AmdBench, GUEST_EFR } from './amd-bench.ts';
import { DEV, type MachineBench, type MachineOptions, SLOT_RID } from './machine-bench.ts';
import { type Ask, requestsUnder } from './page-request-bench.ts';
import { behind, scalableBench } from './scalable-bench.ts';
import { COOKIES, Version2 } from './v2-bench.ts';

const REQUESTER = 0x0020;
export const COOKIE = 0xc00_1e2n;
export const DEVICE = '/dev/vfio/devices/asker';

export type Fault = ObjectIn<typeof IOMMU_FAULT>;
export type Response = ObjectIn<typeof IOMMU_PAGE_RESPONSE>;

/** A device that has everything that page requests need. */
export const askerAt: NonNullable<MachineOptions['slot']> = (engine, requester) =>
  new DmaEngine(engine, {
    ...DMA_ENGINE,
    name: 'asker',
    requester,
    pasidWidth: 20,
    deviceTlb: { sets: 4, ways: 4 },
    pageRequests: 32,
  });

/** The same on bus 0. */
export const asker: NonNullable<MachineOptions['more']> = (engine) => [askerAt(engine, REQUESTER)];

export const VENDORS: readonly (readonly [vendor: string, make: (options?: MachineOptions) => MachineBench])[] = [
  ['VT-d', (options) => scalableBench({ more: asker, kernel: { trustDevices: true }, ...options })],
  ['AMD-Vi', (options) => AmdBench.up({ efr: GUEST_EFR, more: asker, kernel: { trustDevices: true }, ...options })],
];

export class Listener extends Version2 {
  readonly bench: MachineBench;
  readonly answers: (readonly [group: number, code: number])[] = [];
  ioasid = -1;

  constructor(bench: MachineBench) {
    super(bench);
    this.bench = bench;
    bench.unit.devices.taker = (message: DeviceMessage) => {
      if (message.kind === 'page group response') this.answers.push([message.group, message.code]);
    };
  }

  /** Binds another device, which has plain DMA alone, and leads its requests to the same space. */
  *startPlain(): Script<PciDevice> {
    const fd = yield* this.program.open(DEV[0]);
    this.deviceFds[1] = fd;
    const bound = yield* this.program.ioctl(fd, VFIO_BIND_IOMMU_FD, { iommu_fd: this.iommuFd, cookie: COOKIES[0] });
    if (bound !== 0) throw new Error(`bind gives ${bound}`);
    const attached = yield* this.attach(1, this.ioasid);
    if (attached !== 0) throw new Error(`attach gives ${attached}`);
    return behind(this.bench).devices[0]!;
  }

  /** Binds the device and leads its requests to a space. */
  *start(): Script<this> {
    yield* this.begin();
    const fd = yield* this.program.open(DEVICE);
    this.deviceFds[0] = fd;
    const bound = yield* this.program.ioctl(fd, VFIO_BIND_IOMMU_FD, { iommu_fd: this.iommuFd, cookie: COOKIE });
    if (bound !== 0) throw new Error(`bind gives ${bound}`);
    this.ioasid = yield* this.alloc({ addr_width: 39 });
    const attached = yield* this.attach(0, this.ioasid);
    if (attached !== 0) throw new Error(`attach gives ${attached}`);
    return this;
  }

  /** The device asks for a page. */
  ask(ask: Ask = {}): void {
    requestsUnder(NO_PASID)(this.bench, pciDevice(this.bench), ask);
  }

  /** What there is to read, or the errno. */
  *faults(places = 64): Script<Fault[] | number> {
    const bytes = yield* this.program.readFile(this.iommuFd, places * IOMMU_FAULT.bytes);
    if (typeof bytes === 'number') return bytes;
    const count = bytes.length / IOMMU_FAULT.bytes;
    return Array.from({ length: count }, (_, i) => IOMMU_FAULT.decode(bytes.subarray(i * IOMMU_FAULT.bytes)));
  }

  respond(response: Partial<Response>): Script<number> {
    const whole = { ioasid: this.ioasid, dev_cookie: COOKIE, ...response };
    return this.program.writeFile(this.iommuFd, IOMMU_PAGE_RESPONSE.encode(whole));
  }
}

/** The device as the kernel has found it. */
export function pciDevice(bench: MachineBench): PciDevice {
  const rid = bench.slot === null ? REQUESTER : SLOT_RID;
  return behind(bench).devices.find(({ requester }) => requester === rid)!;
}

/** A listener whose device is attached, on a machine that has booted. */
export function listening(make: (options?: MachineOptions) => MachineBench, options?: MachineOptions): Listener {
  const listener = new Listener(make(options));
  listener.bench.run(listener.start());
  return listener;
}
