/** A malicious device behind ports with access control, its victims, what it may try, and what then must be as it was. */
import fc from 'fast-check';
import { buildMachine, type DeviceRights, type KernelDriver, type Machine, type Script } from '../../src/index.ts';
import { registersOf } from '../../src/machine/index.ts';
import { type Attack, DmaEngineDriver, MaliciousDriver } from '../../src/user/index.ts';

const FABRIC = {
  rootPorts: [
    { name: 'port0', at: '00:1c.0' },
    { name: 'port1', at: '00:1d.0' },
  ],
  switches: [{ name: 'switch0', at: 'port0:00.0', ports: 2 }],
  bridges: [],
  devices: [
    { name: 'evil0', model: 'malicious' as const, at: 'switch0-0:00.0' },
    { name: 'dma0', model: 'dma-engine' as const, at: 'switch0-1:00.0' },
    { name: 'dma1', model: 'dma-engine' as const, at: 'port1:00.0' },
  ],
};

export const PAGE = 4096;
/** I/O virtual pages: of what the device may write, of what it may only read, and of what each other device has. */
const OWN = 0x100;
const READABLE = 0x101;
const OTHERS = 0x200;
const VICTIMS = ['dma0', 'dma1'];
const VICTIM_PAGES = 4;
const POISON = new Uint8Array(PAGE).fill(0xee);
/** What fills the pages of victims; so many of them one after the other are found nowhere else. */
const SECRET = 0xa7;
const SECRET_BYTES = 4;
const ordinary = (i: number): number => (i * 31 + (i >> 8)) & 0x7f;
const IOMMU_REGISTERS = 0xfed9_0000;

/** Where it hurts: places that an attacker would guess, as indexes into what the machine has. */
export const attacks = fc.array(
  fc.record({
    kind: fc.constantFrom<Attack['kind']>(
      'MEMORY_READ',
      'MEMORY_WRITE',
      'FETCH_ADD',
      'SWAP',
      'COMPARE_AND_SWAP',
      'DEFERRABLE_WRITE',
      'COMPLETION',
      'COMPLETION_DATA',
      'CONFIG_WRITE_0',
      'CONFIG_WRITE_1',
      'MESSAGE',
      'MESSAGE_DATA',
    ),
    place: fc.nat(63),
    offset: fc.nat(PAGE - 1),
    length: fc.constantFrom(0, 1, 4, 8, 16, 64, 128, 500, 4096),
    addressType: fc.constantFrom(0, 0, 1, 2, 2, 3),
    requester: fc.option(fc.nat(), { nil: undefined, freq: 1 }),
    tag: fc.nat(1023),
    pasid: fc.option(fc.constantFrom(0, 1, 7, 0xfffff), { nil: undefined, freq: 1 }),
    privileged: fc.boolean(),
    execute: fc.boolean(),
    attributes: fc.nat(7),
    trafficClass: fc.nat(7),
    routing: fc.nat(7),
    messageCode: fc.constantFrom(1, 2, 4, 5, 0x20, 0x30, 0x33, 0x7f),
    count: fc.constantFrom(1, 1, 3, 20),
  }),
  { minLength: 1, maxLength: 12 },
);

type Attacked = (typeof attacks extends fc.Arbitrary<infer Program> ? Program : never)[number];

/** What is granted to the attacker beside its mappings, and what limits that. */
export interface Grants extends DeviceRights {
  /** ACS Translation Blocking at the port above it. */
  readonly translationBlocking?: boolean;
}

interface Victim {
  readonly driver: KernelDriver;
  readonly buffer: ReturnType<KernelDriver['memory']['allocate']> & object;
}

/** A number that stands for success, or what was asked for. */
function ok<T>(value: T | number): T {
  if (typeof value === 'number' && value < 0) throw new Error(`errno ${value}`);
  return value as T;
}

export class Arena {
  readonly machine: Machine;
  readonly evil: MaliciousDriver;
  readonly owner: KernelDriver;
  readonly readable;
  readonly victims: readonly Victim[];

  constructor(preset: string, { translationBlocking = false, ...rights }: Grants = {}) {
    this.machine = buildMachine({ preset, ...FABRIC });
    this.run(this.machine.boot());
    this.owner = this.#take('evil0');
    ok(this.run(this.owner.permit(rights)));
    if (translationBlocking) ok(this.run(this.machine.kernel.blockTranslated('evil0', true)));
    this.evil = new MaliciousDriver(registersOf(this.owner, 0));
    const own = this.#buffer(this.owner, 1);
    this.readable = this.#buffer(this.owner, 1);
    this.victims = VICTIMS.map((name) => {
      const driver = this.#take(name);
      const buffer = this.#buffer(driver, VICTIM_PAGES, () => SECRET);
      this.#space(driver, [OTHERS, buffer, true]);
      return { driver, buffer };
    });
    this.#space(this.owner, [OWN, own, true], [READABLE, this.readable, false]);
  }

  readonly run = <T>(script: Script<T>): T => {
    const result = this.machine.engine.runUntilDone(this.machine.engine.spawn(script, 'test'));
    this.machine.engine.run();
    return result;
  };

  /** Addresses worth a try. */
  get places(): bigint[] {
    const frames = this.victims.flatMap(({ buffer }) => [...buffer.frames]).concat([...this.readable.frames]);
    const bars = this.victims.flatMap(({ driver }) => [...driver.device.bars.values()].map(({ address }) => address));
    const pages = [OWN, READABLE, OTHERS, 0x102, 0, 0x100, ...frames];
    const registers = bars.flatMap((bar) => [bar, bar + 0x1000]).concat([IOMMU_REGISTERS]);
    return [...pages.map((page) => BigInt(page) * BigInt(PAGE)), ...registers.map(BigInt), 1n << 40n, (1n << 63n) + 7n];
  }

  /** Everything that is none of the attacker's business. */
  get treasure(): unknown {
    const parts = this.machine.snapshot();
    return {
      memory: this.victims.map(({ driver, buffer }) => driver.memory.read(buffer, 0, VICTIM_PAGES * PAGE)),
      readable: this.owner.memory.read(this.readable, 0, PAGE),
      devices: VICTIMS.map((name) => parts[name]),
    };
  }

  /** Bytes of a victim among those that came last. */
  get loot(): boolean {
    const bytes = this.run(this.evil.received(SECRET_BYTES * 4));
    return new TextDecoder('latin1').decode(bytes).includes(String.fromCharCode(SECRET).repeat(SECRET_BYTES));
  }

  /** Sends what `program` says, of places and ids that there are; what is asked for comes back, or not. */
  suffer(program: readonly Attacked[]): void {
    const { places } = this;
    const ids = [...this.machine.requesters.values(), 0, 2, 0xffff];
    for (const { place, offset, requester, ...attack } of program) {
      const address = places[place % places.length]! + BigInt(offset & -4);
      const target = ids[place % ids.length]!;
      const forged = requester === undefined ? undefined : ids[requester % ids.length]!;
      const byteCount = attack.length;
      this.run(this.evil.send({ ...attack, data: POISON, address, target, requester: forged, byteCount }, 4000));
    }
  }

  /** A device that nobody disturbed reads its own page. */
  lives({ driver, buffer }: Victim): boolean {
    const engine = new DmaEngineDriver(registersOf(driver, 0));
    const read = this.run(engine.read(BigInt(OTHERS * PAGE), 64));
    return read.ok && read.data.every((byte, i) => byte === driver.memory.read(buffer, i, 1)[0]);
  }

  #take(name: string): KernelDriver {
    const driver = ok(this.machine.kernel.driver(name));
    this.run(driver.setBusMaster(true));
    return driver;
  }

  #buffer(driver: KernelDriver, pages: number, byteAt: (i: number) => number = ordinary) {
    const buffer = ok(driver.memory.allocate(pages));
    driver.memory.write(
      buffer,
      0,
      Uint8Array.from({ length: pages * PAGE }, (_, i) => byteAt(i)),
    );
    return buffer;
  }

  #space(driver: KernelDriver, ...mappings: [number, Victim['buffer'], boolean][]): void {
    const domain = ok(this.run(driver.domain()));
    for (const [page, buffer, write] of mappings) {
      ok(this.run(driver.map(domain, page as never, buffer, { read: true, write })));
    }
    ok(this.run(driver.attach(domain)));
  }
}
