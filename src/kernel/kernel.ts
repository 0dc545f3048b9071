/**
 * The kernel: composes its parts, boots, and offers processes. It drives the machine through its `Bus` only.
 *
 * Surface: `boot`, `interrupt` (the machine delivers messages here), `process`; `log` and `faults` to look at; `calls`,
 * `log.probe` and `faultLog.probe` for traces.
 */
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import type { Engine, Script } from '../../hardware/sim/index.ts';
import { EBUSY, EINVAL, ENODEV, formatResult } from '../uapi/index.ts';
import { discoverUnits } from './acpi/remapping.ts';
import type { Bus, Firmware } from './bus.ts';
import { DeviceFiles } from './device-files.ts';
import { DefaultDomains } from './dma/index.ts';
import { HotPlug, KernelDriver } from './drivers/index.ts';
import { FaultLog, type IommuFault } from './fault-log.ts';
import { FaultPoints } from './fault-points.ts';
import { Interrupts } from './interrupts.ts';
import { Iommu } from './iommu/iommu.ts';
import type { IommuServices } from './iommu/services.ts';
import { KernelLog } from './log.ts';
import { AddressSpace } from './memory/address-space.ts';
import { UserPages } from './memory/user-pages.ts';
import { DEFAULT_OPTIONS, type KernelOptions } from './options.ts';
import { PageAllocator } from './page-allocator.ts';
import {
  blockTranslated,
  bridgesAbove,
  groupsOf,
  Pci,
  type PciBridge,
  type PciDevice,
  VirtualFunctions,
} from './pci/index.ts';
import { type CallProbe, Process } from './process.ts';
import { RemappingUnits } from './remapping-units.ts';

export class Kernel {
  readonly log: KernelLog;
  readonly faultLog: FaultLog;
  /** Asked before anything is allocated. */
  readonly faultPoints = new FaultPoints();
  readonly allocator: PageAllocator;
  readonly pages: UserPages;
  readonly interrupts: Interrupts;
  readonly iommu: Iommu;
  /** Sees every system call. */
  calls: CallProbe | null = null;
  readonly #engine: Engine;
  readonly #bus: Bus;
  readonly #firmware: Firmware;
  readonly #options: KernelOptions;
  readonly #pci: Pci;
  readonly #virtual: VirtualFunctions;
  readonly #defaultDomains: DefaultDomains;
  #devices: readonly PciDevice[] = [];
  /** Requester ids of functions that were unplugged. */
  readonly #gone = new Set<number>();
  readonly #files: DeviceFiles;

  constructor(engine: Engine, bus: Bus, firmware: Firmware, options: Partial<KernelOptions> = {}) {
    this.#engine = engine;
    this.#bus = bus;
    this.#firmware = firmware;
    this.#options = { ...DEFAULT_OPTIONS, ...options };
    this.log = new KernelLog(engine);
    this.faultLog = new FaultLog(this.log);
    this.allocator = new PageAllocator(bus.memory, firmware.memory, this.faultPoints);
    this.pages = new UserPages(this.allocator);
    this.interrupts = new Interrupts(engine, this.log, bus.cost.interruptEntry, this.faultPoints);
    this.iommu = new Iommu(this.#options, this.faultPoints);
    this.#pci = new Pci(bus, this.log, firmware.mmio, !this.#options.openBridgesLate, this.faultPoints);
    this.#virtual = new VirtualFunctions(bus, this.log, this.faultPoints);
    const { dmaPolicy: policy, defaultDomain: type } = this.#options;
    const windows = [{ first: firmware.mmio[0] / PAGE_SIZE, pages: firmware.mmio[1] / PAGE_SIZE }];
    const { iommu, log, faultPoints } = this;
    const services = { engine, iommu, cost: bus.cost, log, faultPoints };
    this.#defaultDomains = new DefaultDomains({ ...services, policy, type, windows });
    const { resetOnRelease, trustDevices } = this.#options;
    const { interrupts } = this;
    const vfio = { engine, interrupts, bus, pci: this.#pci, iommu, log, resetOnRelease, trustDevices };
    this.#files = new DeviceFiles(vfio, faultPoints);
  }

  /** What IOMMUs reported, decoded; the newest last. */
  get faults(): readonly IommuFault[] {
    return this.faultLog.faults;
  }

  /** Functions that were found, in the order of their requester ids. */
  get devices(): readonly PciDevice[] {
    return this.#devices;
  }

  /** Finds the devices, takes the IOMMUs into service and makes the device files. */
  *boot(): Script {
    this.#devices = yield* this.#pci.enumerate(this.#firmware.pciBuses);
    const units = discoverUnits({ memory: this.#bus.memory, firmware: this.#firmware, log: this.log }, this.#devices);
    const { iommu } = this;
    const spec = { services: this.#services, options: this.#options, pci: this.#pci, iommu };
    yield* new RemappingUnits(spec).start(units, this.#devices);
    if (this.#options.openBridgesLate) yield* this.#pci.letRequestsUp();
    this.#makeFiles();
    yield* this.#watchSlots();
  }

  /** A message reached the CPU. */
  interrupt(address: number, data: number): void {
    this.interrupts.deliver(address, data);
  }

  /**
   * Gives a device `count` virtual functions, each a device with a group and a file of its own: 0, -ENODEV, -EOPNOTSUPP,
   * -EBUSY, -EINVAL, -ENOMEM. Those that would share a group with others are not made (-EINVAL).
   */
  *enableVfs(name: string, count: number): Script<number> {
    const device = this.#deviceNamed(name);
    if (device === undefined) return -ENODEV;
    const functions = yield* this.#virtual.enable(device, count);
    if (typeof functions === 'number') return functions;
    const all = [...this.#devices, ...functions].sort((a, b) => a.rid - b.rid);
    const groups = groupsOf(all, this.#pci.bridges).filter((group) => group.some((one) => functions.includes(one)));
    if (groups.length < functions.length || groups.some((group) => group.length > 1)) {
      this.log.write(`pci ${device.address}: its virtual functions would share groups with others; they are not used`);
      yield* this.#virtual.disable(device);
      return -EINVAL;
    }
    this.#devices = all;
    const driver = this.iommu.groupOf(device)?.driver;
    let result = 0;
    for (const fn of functions) {
      if (result === 0 && driver !== undefined) result = this.iommu.addGroup(driver, [fn]);
      if (result === 0) result = this.#files.add(fn, this.#namesOf(fn));
    }
    if (result === 0) return 0;
    for (const fn of functions) this.#forget(fn);
    yield* this.#virtual.disable(device);
    return result;
  }

  /** Takes a device's virtual functions away: 0, -ENODEV, -EBUSY while somebody has one. */
  *disableVfs(name: string): Script<number> {
    const device = this.#deviceNamed(name);
    if (device === undefined) return -ENODEV;
    const functions = this.#virtual.of(device);
    const groups = functions.flatMap((fn) => this.iommu.groupOf(fn) ?? []);
    if (groups.some(({ isFree }) => !isFree)) return -EBUSY;
    for (const fn of functions) this.#forget(fn);
    yield* this.#virtual.disable(device);
    return 0;
  }

  /** Makes a device that is all software, a DMA engine: 0, -EINVAL for a bad name, -EEXIST, -ENOMEM. */
  addMediated(name: string): number {
    return this.#files.addMediated(name);
  }

  /** 0, -ENODEV, -EBUSY while somebody has it. */
  removeMediated(name: string): number {
    return this.#files.removeMediated(name);
  }

  /**
   * Decides whether the port above a device blocks what the device says that it has translated (ACS Translation Blocking),
   * for devices that nobody trusts: 0, -ENODEV, -EOPNOTSUPP when the port cannot. A device that keeps translations by then
   * finds that nothing of it passes.
   */
  *blockTranslated(name: string, on: boolean): Script<number> {
    const device = this.#deviceNamed(name);
    return device === undefined ? -ENODEV : yield* blockTranslated(this.#bus, device, on);
  }

  /** Takes a function for a driver inside the kernel, by its address or name: -ENODEV, -EBUSY, -ENOMEM. */
  driver(name: string): KernelDriver | number {
    const device = this.#deviceNamed(name);
    if (device === undefined) return -ENODEV;
    const { iommu, interrupts, allocator, log, faultPoints } = this;
    const services = { bus: this.#bus, pci: this.#pci, iommu, interrupts, allocator, log, faultPoints };
    return KernelDriver.take(device, { ...services, defaultDomains: this.#defaultDomains });
  }

  process(name: string): Process {
    const { lockLimit, fileLimit } = this.#options;
    const { memory, cost } = this.#bus;
    const { allocator, pages, faultPoints } = this;
    const space = new AddressSpace({ allocator, pages, memory, cost, faultPoints }, lockLimit);
    return new Process(name, space, {
      engine: this.#engine,
      cost,
      fileLimit,
      faultPoints,
      open: (path) => this.#files.open(path),
      probe: () => this.calls,
    });
  }

  /** Slots with devices are watched: those whose messages come through the unit that serves the devices. */
  *#watchSlots(): Script {
    const { interrupts, log } = this;
    const hotPlug = new HotPlug({ bus: this.#bus, interrupts, log, gone: (port) => this.#unplugged(port) });
    for (const port of this.#pci.bridges) {
      const drivers = this.#below(port).map((device) => this.iommu.groupOf(device)?.driver);
      const iommu = drivers.find((driver) => driver !== undefined);
      if (iommu !== undefined) yield* hotPlug.watch(port, iommu);
    }
  }

  /**
   * Everything below a port has gone, without a word: nothing comes from it any more, and nothing that is said to it is heard.
   * Nobody waits for it. Who has it may let go of it at any time, and it cannot be opened again.
   */
  #unplugged(port: PciBridge): void {
    for (const device of this.#below(port)) {
      this.#gone.add(device.rid);
      this.#forget(device);
      this.log.write(`pci ${device.address}: it has gone`);
    }
  }

  #below(port: PciBridge): readonly PciDevice[] {
    return this.#devices.filter((device) => [...bridgesAbove(device)].includes(port));
  }

  #forget(device: PciDevice): void {
    this.#files.remove(this.#namesOf(device));
    this.#devices = this.#devices.filter((one) => one !== device);
    this.iommu.forget(device);
  }

  /** What drivers of IOMMUs are given. */
  get #services(): IommuServices {
    return {
      engine: this.#engine,
      bus: this.#bus,
      log: this.log,
      faults: this.faultLog,
      faultPoints: this.faultPoints,
      allocator: this.allocator,
      interrupts: this.interrupts,
      isGone: (rid) => this.#gone.has(rid),
      pageRequestPlaces: this.#options.pageRequestPlaces,
    };
  }

  #deviceNamed(name: string): PciDevice | undefined {
    return this.#devices.find((device) => this.#namesOf(device).includes(name));
  }

  #namesOf({ rid, address }: PciDevice): string[] {
    const name = this.#options.deviceNames[rid];
    return name === undefined ? [address] : [address, name];
  }

  #makeFiles(): void {
    const { iommu, log, faultPoints } = this;
    const { mappingLimit, spaceLimit, trustDevices } = this.#options;
    this.#files.addSpaces({ iommu, log, faultPoints, cost: this.#bus.cost, mappingLimit, spaceLimit, trustDevices });
    for (const device of this.#devices) {
      const result = this.#files.add(device, this.#namesOf(device));
      if (result < 0) log.write(`pci ${device.address}: no process can open it: ${formatResult(result)}`);
    }
  }
}
