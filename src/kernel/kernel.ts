/**
 * The kernel: composes its parts, boots, and offers processes. It drives the machine through its `Bus` only.
 *
 * Surface: `boot`, `interrupt` (the machine delivers messages here), `process`; `log` and `faults` to look at; `calls`,
 * `log.probe` and `faultLog.probe` for traces.
 */
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import type { Engine, Script } from '../../hardware/sim/index.ts';
import { EBUSY, EINVAL, ENODEV, formatResult } from '../uapi/index.ts';
import { discoverUnits, type RemappingUnit } from './acpi/remapping.ts';
import { AmdDriver } from './amd/driver.ts';
import type { Bus, Firmware } from './bus.ts';
import { ComposedDrivers } from './composed-drivers.ts';
import { DeviceFiles } from './device-files.ts';
import { DefaultDomains } from './dma/index.ts';
import { KernelDriver } from './drivers/index.ts';
import { FaultLog, type IommuFault } from './fault-log.ts';
import { FaultPoints } from './fault-points.ts';
import { Interrupts } from './interrupts.ts';
import type { IommuDomain, IommuDriver } from './iommu/driver.ts';
import { attachDirect, type DirectRun, Iommu, type KeptMemory } from './iommu/iommu.ts';
import type { IommuServices } from './iommu/services.ts';
import { KernelLog } from './log.ts';
import { AddressSpace } from './memory/address-space.ts';
import { UserPages } from './memory/user-pages.ts';
import { DEFAULT_OPTIONS, type KernelOptions } from './options.ts';
import { PageAllocator } from './page-allocator.ts';
import { blockTranslated, groupsOf, Pci, type PciDevice, united, VirtualFunctions } from './pci/index.ts';
import { type CallProbe, Process } from './process.ts';
import { VtdDriver } from './vtd/driver.ts';

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
    this.iommu = new Iommu(this.#options);
    this.#pci = new Pci(bus, this.log, firmware.mmio, !this.#options.openBridgesLate);
    this.#virtual = new VirtualFunctions(bus, this.log);
    const { dmaPolicy: policy, defaultDomain: type } = this.#options;
    const windows = [{ first: firmware.mmio[0] / PAGE_SIZE, pages: firmware.mmio[1] / PAGE_SIZE }];
    const { iommu, log, faultPoints } = this;
    const services = { engine, iommu, cost: bus.cost, log, faultPoints };
    this.#defaultDomains = new DefaultDomains({ ...services, policy, type, windows });
    const { resetOnRelease, trustDevices } = this.#options;
    const { interrupts } = this;
    this.#files = new DeviceFiles({
      engine,
      interrupts,
      bus,
      pci: this.#pci,
      iommu,
      log,
      resetOnRelease,
      trustDevices,
    });
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
    for (const [index, unit] of units.entries()) yield* this.#startUnit(unit, index);
    if (this.#options.openBridgesLate) yield* this.#pci.letRequestsUp();
    this.#makeFiles();
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
    for (const fn of functions) {
      if (driver !== undefined) this.iommu.addGroup(driver, [fn]);
      this.#files.add(fn, this.#namesOf(fn));
    }
    return 0;
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

  /** Makes a device that is all software, a DMA engine: 0, -EINVAL for a bad name, -EEXIST. */
  addMediated(name: string): number {
    return this.#files.addMediated(name);
  }

  /** 0, -ENODEV, -EBUSY while somebody has it. */
  removeMediated(name: string): number {
    return this.#files.removeMediated(name);
  }

  /**
   * The port above a device says that it has gone, without a word: nothing comes from it any more, and nothing that is said to
   * it is heard. Nobody waits for it. Who has it may let go of it at any time, and it cannot be opened again: 0, -ENODEV.
   */
  unplugged(name: string): number {
    const device = this.#deviceNamed(name);
    if (device === undefined) return -ENODEV;
    for (const fn of [device, ...this.#virtual.of(device)]) {
      this.#gone.add(fn.rid);
      this.#forget(fn);
    }
    this.log.write(`pci ${device.address}: it has gone`);
    return 0;
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

  /** Takes a function for a driver inside the kernel, by its address or name: -ENODEV, -EBUSY. */
  driver(name: string): KernelDriver | number {
    const device = this.#deviceNamed(name);
    if (device === undefined) return -ENODEV;
    const { iommu, interrupts, allocator, log } = this;
    const services = { bus: this.#bus, pci: this.#pci, iommu, interrupts, allocator, log };
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

  #forget(device: PciDevice): void {
    this.#files.remove(this.#namesOf(device));
    this.#devices = this.#devices.filter((one) => one !== device);
    this.iommu.forget(device);
  }

  *#startUnit(unit: RemappingUnit, index: number): Script {
    const driver = this.#driverOf(unit, index);
    if ((yield* driver.probe()) < 0) return;
    const kept = new Map<PciDevice, KeptMemory>();
    for (const [device, memory] of unit.reserved) {
      kept.set(device, { memory, domain: yield* this.#keepReaching(driver, device, memory) });
    }
    if ((yield* driver.enable()) < 0) return;
    const composed = new ComposedDrivers(driver, this.#services);
    const own = new Set(unit.groups.flat());
    const reached = groupsOf(this.#devices, this.#pci.bridges).map((group) =>
      group.filter((device) => own.has(device)),
    );
    for (const devices of united(unit.groups, reached)) {
      const theirs = new Map([...kept].filter(([device]) => devices.includes(device)));
      this.iommu.addGroup(theirs.size > 0 ? driver : composed.of(devices), devices, theirs);
    }
  }

  /** Firmware goes on using this device with this memory, and it with nothing else. */
  *#keepReaching(driver: IommuDriver, device: PciDevice, memory: readonly DirectRun[]): Script<IommuDomain | null> {
    const result = yield* attachDirect(driver, device, memory);
    if (typeof result !== 'number') yield* this.#pci.setBusMaster(device, true);
    const bytes = memory.reduce((sum, { pages }) => sum + pages * PAGE_SIZE, 0);
    this.log.write(
      typeof result !== 'number'
        ? `${driver.name}: ${device.address} keeps ${bytes} bytes of reserved memory and stays with firmware`
        : `${driver.name}: ${device.address} loses its reserved memory: ${formatResult(result)}`,
    );
    return typeof result === 'number' ? null : result;
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

  #driverOf(unit: RemappingUnit, index: number): IommuDriver {
    const services = this.#services;
    const legacy = this.#options.iommuMode === 'legacy';
    const { remapInterrupts } = this.#options;
    if (unit.vendor === 'amd') {
      return new AmdDriver(services, { name: `amdvi${index}`, unit: unit.unit, legacy, remapInterrupts });
    }
    const { registerBase, interruptRemapping } = unit;
    const place = { name: `vtd${index}`, registerBase, interruptRemapping, buses: this.#pci.buses };
    return new VtdDriver(services, { ...place, legacy, remapInterrupts });
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
    for (const device of this.#devices) this.#files.add(device, this.#namesOf(device));
  }
}
