/**
 * The driver of an AMD-Vi unit: tables in memory, registers by MMIO, commands in a ring, events in a log that raises an
 * MSI. Its steps are those of fact sheet 10.1, except that the unit is switched on last, in `enable`. Until then its command
 * buffer is dead and nothing is cached, so that tables are written without telling anybody; `enable` makes the unit forget
 * everything.
 *
 * Not used: 128-bit interrupt entries, exclusion ranges, counters, virtual IOMMUs.
 */
import {
  CAPABILITY_BLOCK,
  CONTROL,
  DEVICE_TABLE_BASE,
  EFR,
  EFR2,
  InvTimeOut,
} from '../../../hardware/amdvi/spec/index.ts';
import { CapabilityId } from '../../../hardware/pcie/spec/index.ts';
import { ns, type Script } from '../../../hardware/sim/index.ts';
import { ENODEV } from '../../uapi/index.ts';
import type { AmdUnit } from '../acpi/amd-units.ts';
import type { Bus } from '../bus.ts';
import type { IommuFault } from '../fault-log.ts';
import type { Message } from '../interrupts.ts';
import { Attachments } from '../iommu/attachments.ts';
import { DomainIds } from '../iommu/domain-ids.ts';
import type {
  Abilities,
  DeviceFeatures,
  DomainOptions,
  ForeignPasidTable,
  IommuDomain,
  IommuDriver,
  NestedDomain,
  Nesting,
  PasidTableDomain,
  Translation,
} from '../iommu/driver.ts';
import { RegisterPage } from '../iommu/register-page.ts';
import type { IommuServices } from '../iommu/services.ts';
import type { PciDevice } from '../pci/index.ts';
import { enableMsi, findCapability, wordAt } from '../pci/index.ts';
import { abilities } from './abilities.ts';
import { CommandBuffer } from './command-buffer.ts';
import type { Command } from './commands.ts';
import { Control } from './control.ts';
import { DeviceTable } from './device-table.ts';
import { makeDomain, makeNested, makePasidTable } from './domain-factory.ts';
import { EventReader } from './event-reader.ts';
import { type Features, readFeatures } from './features.ts';
import { everything } from './flush-all.ts';
import { InterruptTables } from './interrupt-tables.ts';
import type { LogSurroundings } from './log-reader.ts';
import { PageRequestReader } from './page-requests.ts';
import { Routes } from './routes.ts';
import { AmdIdentity, IDENTITY_DID } from './table-less.ts';

export interface AmdPlace {
  readonly name: string;
  readonly unit: AmdUnit;
  /** Host tables alone, even where the unit has guest tables. */
  readonly legacy: boolean;
  /** Devices raise only the interrupts that they were given. */
  readonly remapInterrupts: boolean;
}

/** Number of domain ids; entries that block everything have id 0. */
const DOMAIN_IDS = 2 ** 16;

export class AmdDriver implements IommuDriver {
  readonly name: string;
  readonly bus: Bus;
  readonly attachments: Attachments;
  readonly domainIds: DomainIds;
  readonly #services: IommuServices;
  readonly #unit: AmdUnit;
  readonly #legacy: boolean;
  readonly #remapsInterrupts: boolean;
  readonly #registers: RegisterPage;
  readonly #control: Control;
  #features: Features | null = null;
  #table: DeviceTable | null = null;
  #routes: Routes | null = null;
  #events: EventReader | null = null;
  #commands: CommandBuffer | null = null;
  #pageRequests: PageRequestReader | null = null;
  /** `null` while interrupts are not remapped. */
  #interrupts: InterruptTables | null = null;
  #isOn = false;

  constructor(services: IommuServices, { name, unit, legacy, remapInterrupts }: AmdPlace) {
    this.attachments = new Attachments(services.engine);
    this.domainIds = new DomainIds(IDENTITY_DID + 1, DOMAIN_IDS, services.faultPoints);
    this.name = name;
    this.bus = services.bus;
    this.#services = services;
    this.#unit = unit;
    this.#legacy = legacy;
    this.#remapsInterrupts = remapInterrupts;
    this.#registers = new RegisterPage(services.engine, services.bus, Number(unit.registerBase));
    this.#control = new Control(this.#registers);
  }

  get features(): Features {
    return probed(this.#features);
  }

  get abilities(): Abilities {
    return abilities(this.features);
  }

  get routes(): Routes {
    return probed(this.#routes);
  }

  *probe(): Script<number> {
    const features = yield* this.#readFeatures();
    const msi = yield* findCapability(this.bus, this.#unit.deviceId, CapabilityId.MSI);
    if (typeof features === 'string' || msi === 0) {
      const wrong = typeof features === 'string' ? features : 'its function sends no MSIs';
      this.#services.log.write(`${this.name}: not usable: ${wrong}`);
      return -ENODEV;
    }
    this.#features = features;
    this.#services.log.write(`${this.name}: AMD-Vi, ${describeTables(features)}`);
    let result = yield* this.#setUp();
    if (result === 0) result = yield* this.#enableCommands();
    if (result === 0) result = yield* this.#enableInterrupts(msi);
    return this.#reported(result);
  }

  *enable(): Script<number> {
    yield* this.#control.set({ IommuEn: 1 });
    this.#isOn = true;
    const commands = everything(this.features, probed(this.#table).ids, [IDENTITY_DID, ...this.domainIds.used]);
    return this.#reported(yield* this.run(commands));
  }

  *allocateDomain(options: DomainOptions = {}): Script<IommuDomain | number> {
    const { allocator, bus } = this.#services;
    yield ns(bus.cost.allocate + bus.cost.clearPage);
    return makeDomain(this, options, allocator);
  }

  // biome-ignore lint/correctness/useYield: other drivers have to wait here
  *allocateIdentity(): Script<Translation | number> {
    return new AmdIdentity(this);
  }

  // biome-ignore lint/correctness/useYield: other drivers have to wait here
  *allocateNested(nesting: Nesting): Script<NestedDomain | number> {
    return makeNested(this, nesting);
  }

  // biome-ignore lint/correctness/useYield: other drivers have to wait here
  *allocatePasidTable(table: ForeignPasidTable): Script<PasidTableDomain | number> {
    return makePasidTable(this, table);
  }

  prepare(device: PciDevice, features: DeviceFeatures): number {
    return this.routes.prepare(device, features);
  }

  *admitInterrupt(device: PciDevice, message: Message): Script<Message | number> {
    const table = probed(this.#table);
    if (this.#interrupts === null) return message;
    return yield* this.#interrupts.admit(table, table.idsOf(device.requester), message);
  }

  *revokeInterrupt(device: PciDevice, admitted: Message): Script<number> {
    if (this.#interrupts === null) return 0;
    const table = probed(this.#table);
    return yield* this.#interrupts.revoke(table, table.idsOf(device.requester), admitted);
  }

  /** Whether roots of GCR3 tables are guest addresses from now on: the unit has heard of it. */
  *setGuestRoots(areGuests: boolean): Script {
    yield* this.#control.set({ GCR3TRPMode: areGuests ? 1 : 0 });
    yield* this.#registers.read(CONTROL);
  }

  /** Does all of it, in order, and waits: 0, or -EIO when hardware did not. */
  *run(commands: readonly Command[]): Script<number> {
    return this.#isOn ? yield* probed(this.#commands).run(commands) : 0;
  }

  moving(device: PciDevice, body: () => Script<number>): Script<number> {
    return this.routes.moving(device, body);
  }

  /** After requests were blocked, and the unit has forgotten them: answers the page requests that came before. */
  *drainPageRequests(): Script {
    if (this.#pageRequests !== null) yield* this.#pageRequests.serve();
  }

  /** The time that writing table entries takes. */
  *writeEntries(count: number): Script {
    yield ns(count * this.bus.cost.writeEntry);
  }

  *#readFeatures(): Script<Features | string> {
    const { deviceId, capability, block } = this.#unit;
    const words = new Uint32Array(CAPABILITY_BLOCK.length);
    for (const n of words.keys()) words.set(yield* wordAt(this.bus, deviceId, capability + 4 * n), n);
    return readFeatures({
      block: words,
      efr: yield* this.#registers.read(EFR),
      efr2: yield* this.#registers.read(EFR2),
      legacy: this.#legacy,
      hostTablesDenied: 'HATDis' in block.fields && block.fields.HATDis !== 0n,
    });
  }

  /** Whoever ran before may have left the unit on, with tables that nobody owns any more. */
  *#setUp(): Script<number> {
    const { allocator, bus } = this.#services;
    yield* this.#control.clear();
    const { HtTunEn, PassPW, ResPassPW, Isoc } = this.#unit.block.fields;
    const wishes = { HtTunEn, PassPW, ResPassPW, Isoc, Coherent: 1, InvTimeOut: InvTimeOut.MS_1 };
    const guests = this.features.guest === null ? {} : { GTEn: 1 };
    yield* this.#control.set({ ...wishes, ...guests });
    const interrupts = this.#remapsInterrupts ? InterruptTables.create(this, this.#services) : null;
    if (typeof interrupts === 'number') return interrupts;
    const spec = { unit: this.#unit, interrupts: interrupts?.none ?? {} };
    const table = DeviceTable.create(bus.memory, allocator, spec);
    if (typeof table === 'number') return table;
    yield* this.writeEntries(table.ids);
    yield* this.#registers.write(DEVICE_TABLE_BASE, table.base);
    this.#table = table;
    this.#interrupts = interrupts;
    if (interrupts !== null) this.#services.log.write(`${this.name}: interrupts are remapped`);
    this.#routes = new Routes(this, this.#services, table);
    return 0;
  }

  *#enableCommands(): Script<number> {
    const unit = { ...this.#services, name: this.name, registers: this.#registers, control: this.#control };
    const events = yield* EventReader.enable(unit);
    if (typeof events === 'number') return events;
    const commands = yield* CommandBuffer.enable({ ...unit, readEvents: () => events.serve() });
    if (typeof commands === 'number') return commands;
    events.onLateDevice = (deviceId) => commands.noteLate(deviceId);
    events.onFault = (fault) => this.#reportFault(fault);
    this.#events = events;
    this.#commands = commands;
    return yield* this.#enablePageRequests(unit);
  }

  *#enablePageRequests(unit: LogSurroundings): Script<number> {
    if (!this.features.pageRequests) return 0;
    const { attachments, features } = this;
    const reader = yield* PageRequestReader.enable(unit, features, attachments, (commands) => this.run(commands));
    if (typeof reader === 'number') return reader;
    this.#pageRequests = reader;
    return 0;
  }

  /** Attachments are of devices, whatever id their requests carry. */
  #reportFault(fault: IommuFault): void {
    const requester = this.routes.ownerOf(fault.requester)?.requester ?? fault.requester;
    this.attachments.reportFault({ ...fault, requester });
  }

  *#enableInterrupts(msi: number): Script<number> {
    const message = this.#services.interrupts.allocate(this.name, () => this.#interrupt());
    if (typeof message === 'number') return message;
    yield* enableMsi(this.bus, this.#unit.deviceId, msi, message);
    return 0;
  }

  *#interrupt(): Script {
    yield* probed(this.#events).serve();
    if (this.#pageRequests !== null) yield* this.#pageRequests.serve();
  }

  #reported(result: number): number {
    if (result < 0) this.#services.log.write(`${this.name}: could not be taken into service`);
    return result;
  }
}

function describeTables({ host, guest }: Features): string {
  const kinds = [
    ...(host === null ? [] : [`${host.levels}-level host tables`]),
    ...(guest === null ? [] : [`guest tables of up to ${guest.fiveLevels ? 5 : 4} levels`]),
  ];
  return kinds.join(', ');
}

function probed<T>(value: T | null): T {
  if (value === null) throw new Error('an AMD-Vi unit is used before it was probed');
  return value;
}
