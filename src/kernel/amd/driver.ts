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
import { ENODEV, ENOMEM } from '../../uapi/index.ts';
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
import type { Command } from './commands.ts';
import { Control } from './control.ts';
import { makeDomain, makeNested, makePasidTable } from './domain-factory.ts';
import { type Features, readFeatures } from './features.ts';
import { everything } from './flush-all.ts';
import { Routes } from './routes.ts';
import { AmdIdentity, IDENTITY_DID } from './table-less.ts';
import { takeParts, type UnitParts } from './unit-parts.ts';

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
  #parts: UnitParts | null = null;
  #routes: Routes | null = null;
  #isOn = false;

  constructor(services: IommuServices, { name, unit, legacy, remapInterrupts }: AmdPlace) {
    this.attachments = new Attachments(services.engine, services.faultPoints);
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
    const taken = this.#take();
    if (taken === 0) yield* this.#begin(msi);
    // Whatever ran before has no tables any more, also where there are none to take their place.
    else yield* this.#control.clear();
    return this.#reported(taken);
  }

  *enable(): Script<number> {
    yield* this.#control.set({ IommuEn: 1 });
    this.#isOn = true;
    const commands = everything(this.features, probed(this.#parts).table.ids, [IDENTITY_DID, ...this.domainIds.used]);
    return this.#reported(yield* this.run(commands));
  }

  *allocateDomain(options: DomainOptions = {}): Script<IommuDomain | number> {
    const { allocator, bus, faultPoints } = this.#services;
    if (faultPoints.refuses('domain')) return -ENOMEM;
    yield ns(bus.cost.allocate + bus.cost.clearPage);
    return makeDomain(this, options, allocator);
  }

  // biome-ignore lint/correctness/useYield: other drivers have to wait here
  *allocateIdentity(): Script<Translation | number> {
    return new AmdIdentity(this);
  }

  // biome-ignore lint/correctness/useYield: other drivers have to wait here
  *allocateNested(nesting: Nesting): Script<NestedDomain | number> {
    return this.#services.faultPoints.refuses('domain') ? -ENOMEM : makeNested(this, nesting);
  }

  // biome-ignore lint/correctness/useYield: other drivers have to wait here
  *allocatePasidTable(table: ForeignPasidTable): Script<PasidTableDomain | number> {
    return this.#services.faultPoints.refuses('domain') ? -ENOMEM : makePasidTable(this, table);
  }

  prepare(device: PciDevice, features: DeviceFeatures): number {
    return this.routes.prepare(device, features);
  }

  *admitInterrupt(device: PciDevice, message: Message): Script<Message | number> {
    const { table, interrupts } = probed(this.#parts);
    if (interrupts === null) return message;
    return yield* interrupts.admit(table, table.idsOf(device.requester), message);
  }

  *revokeInterrupt(device: PciDevice, admitted: Message): Script<number> {
    const { table, interrupts } = probed(this.#parts);
    if (interrupts === null) return 0;
    return yield* interrupts.revoke(table, table.idsOf(device.requester), admitted);
  }

  /** Whether roots of GCR3 tables are guest addresses from now on: the unit has heard of it. */
  *setGuestRoots(areGuests: boolean): Script {
    yield* this.#control.set({ GCR3TRPMode: areGuests ? 1 : 0 });
    yield* this.#registers.read(CONTROL);
  }

  /** Does all of it, in order, and waits: 0, or -EIO when hardware did not. */
  *run(commands: readonly Command[]): Script<number> {
    return this.#isOn ? yield* probed(this.#parts).commands.run(commands) : 0;
  }

  moving(device: PciDevice, body: () => Script<number>): Script<number> {
    return this.routes.moving(device, body);
  }

  /** After requests were blocked, and the unit has forgotten them: answers the page requests that came before. */
  *drainPageRequests(): Script {
    const { pageRequests } = probed(this.#parts);
    if (pageRequests !== null) yield* pageRequests.serve();
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

  /** All that can be missing: 0, -ENOMEM, -ENOSPC and nothing is taken. */
  #take(): number {
    const parts = takeParts(this, {
      surroundings: { ...this.#services, name: this.name, registers: this.#registers, control: this.#control },
      unit: this.#unit,
      remapsInterrupts: this.#remapsInterrupts,
      serve: (all) => this.#serve(all),
    });
    if (typeof parts === 'number') return parts;
    const { events, commands } = parts;
    events.onLateDevice = (deviceId) => commands.noteLate(deviceId);
    events.onFault = (fault) => this.#reportFault(fault);
    this.#parts = parts;
    return 0;
  }

  /** Whoever ran before may have left the unit on, with tables that nobody owns any more. */
  *#begin(msi: number): Script {
    const { table, interrupts, events, commands, pageRequests, message } = probed(this.#parts);
    yield* this.#control.clear();
    const { HtTunEn, PassPW, ResPassPW, Isoc } = this.#unit.block.fields;
    const wishes = { HtTunEn, PassPW, ResPassPW, Isoc, Coherent: 1, InvTimeOut: InvTimeOut.MS_1 };
    const guests = this.features.guest === null ? {} : { GTEn: 1 };
    yield* this.#control.set({ ...wishes, ...guests });
    yield* this.writeEntries(table.ids);
    yield* this.#registers.write(DEVICE_TABLE_BASE, table.base);
    if (interrupts !== null) this.#services.log.write(`${this.name}: interrupts are remapped`);
    this.#routes = new Routes(this, this.#services, table);
    yield* events.enable();
    yield* commands.enable();
    if (pageRequests !== null) yield* pageRequests.enable();
    yield* enableMsi(this.bus, this.#unit.deviceId, msi, message);
  }

  /** Attachments are of devices, whatever id their requests carry. */
  #reportFault(fault: IommuFault): void {
    const requester = this.routes.ownerOf(fault.requester)?.requester ?? fault.requester;
    this.attachments.reportFault({ ...fault, requester });
  }

  *#serve({ events, pageRequests }: UnitParts): Script {
    yield* events.serve();
    if (pageRequests !== null) yield* pageRequests.serve();
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
