/** Software: the device table, and what it has to invalidate after each change (amd-vi.md section 7). */
import type { Dice } from '../../caching/dice.ts';
import { type Command, everything, whole } from './commands.ts';
import { GuestTables } from './guest-tables.ts';
import { HostTables, NOTHING_NEEDED, type Put, type Sufficient } from './host-tables.ts';
import { DEVICE_TABLE } from './machine.ts';
import { deviceWords } from './words.ts';
import { type Device, HOST_ONLY, pasidsOf, type Setting, type Tables, type World } from './world.ts';

const DTE_BYTES = 32;
/** Of devices whose addresses are system addresses. */
const PASS_DOMAIN = 4;

export class Software {
  readonly #setting: Setting;
  readonly #world: World;
  readonly #put: Put;
  readonly #hosts: HostTables;
  readonly #guests: GuestTables | null;
  /** One object per meaning. */
  readonly #known = new Map<string, Tables>();
  readonly #devices = new Map<string, Device>();
  /** The tables of each domain now. */
  readonly #domains = new Map<number, Tables>();

  constructor(setting: Setting, world: World, put: Put, dice: Dice) {
    this.#setting = setting;
    this.#world = world;
    this.#put = put;
    this.#hosts = new HostTables(setting, world, put, dice);
    this.#guests = setting.guest ? new GuestTables(setting, world, put, dice) : null;
    for (const domain of setting.domains) this.#domains.set(domain, this.#drawTables(domain, dice));
    this.#domains.set(PASS_DOMAIN, this.#tables(PASS_DOMAIN, null, null));
    for (const sid of setting.sids) this.#write(sid, this.#translating(dice.pick(setting.domains), dice));
  }

  edit(dice: Dice): Sufficient {
    const kind = dice.below(100);
    const users = this.#users();
    if (this.#guests !== null) {
      if (kind < 30) return this.#guests.edit(dice, users);
      if (kind < 40) return this.#guests.editRoot(dice, users);
    }
    if (kind < 70) return this.#hosts.edit(dice, users);
    return kind < 90 ? this.#editDevice(dice) : this.#replaceTables(dice);
  }

  /** Tables that a device uses now. */
  #users(): Tables[] {
    const translating = [...this.#world.devices.values()].filter(({ kind }) => kind === 'translates');
    return [...new Set(translating.map(({ tables }) => tables))];
  }

  #editDevice(dice: Dice): Sufficient {
    const sid = dice.pick(this.#setting.sids);
    const old = this.#world.devices.get(sid)!;
    this.#write(sid, dice.chance(25) ? this.#idle(dice) : this.#translating(this.#pickDomain(dice), dice));
    return this.#sufficient([sid], old);
  }

  /** A domain gets other tables: the entries of all its devices change. */
  #replaceTables(dice: Dice): Sufficient {
    const domain = dice.pick(this.#setting.domains);
    const old = this.#domains.get(domain)!;
    this.#domains.set(domain, this.#drawTables(domain, dice));
    const users = [...this.#world.devices].filter(([, { kind, tables }]) => kind === 'translates' && tables === old);
    for (const [sid] of users) this.#write(sid, this.#translating(domain, dice));
    if (users.length === 0) return NOTHING_NEEDED;
    return this.#sufficient(
      users.map(([sid]) => sid),
      users[0]![1],
    );
  }

  /** After entries have changed that said `old`. */
  #sufficient(sids: readonly number[], { kind, interrupts, tables }: Device): Sufficient {
    if (kind === 'absent' && !interrupts && !this.#setting.np) return NOTHING_NEEDED;
    const devices = sids.map((sid): Command => ({ op: 'device', sid }));
    if (kind !== 'translates') return [devices, [everything]];
    const { domain, gcr3 } = tables;
    const pasids = gcr3 === null ? [] : pasidsOf(this.#setting);
    const pages = [HOST_ONLY, ...pasids].map((pasid) => whole(domain, pasid));
    const every = this.#setting.sids.map((sid): Command => ({ op: 'device', sid }));
    return [[...devices, ...pages], [...every, ...pages], [everything]];
  }

  #pickDomain(dice: Dice): number {
    const { domains } = this.#setting;
    return dice.pick([...domains, ...domains, PASS_DOMAIN]);
  }

  #translating(domain: number, dice: Dice): Device {
    const rights = dice.chance(80) ? 3 : dice.pick([0, 1, 2]);
    return this.#device('translates', this.#domains.get(domain)!, rights, dice);
  }

  #idle(dice: Dice): Device {
    const kind = dice.pick(['absent', 'absent', 'illegal', 'blocked'] as const);
    return this.#device(kind, this.#domains.get(PASS_DOMAIN)!, 3, dice);
  }

  #device(kind: Device['kind'], tables: Tables, rights: number, dice: Dice): Device {
    const interrupts = dice.chance(30);
    const giov = tables.gcr3 !== null && dice.chance(60);
    const silent = this.#setting.silent && dice.chance(30);
    const key = `${kind} ${tables.id} ${rights} ${interrupts} ${giov} ${silent}`;
    const device = this.#devices.get(key) ?? { kind, tables, rights, interrupts, giov, silent };
    this.#devices.set(key, device);
    return device;
  }

  /** Host, guest, or nested. */
  #drawTables(domain: number, dice: Dice): Tables {
    const kind = this.#guests === null ? 'host' : dice.pick(['nested', 'nested', 'guest', 'guest', 'host']);
    const host = kind === 'guest' ? null : this.#hosts.drawTop(dice);
    return this.#tables(domain, host, kind === 'host' ? null : this.#guests!.drawGcr3(dice));
  }

  #tables(domain: number, host: Tables['host'], gcr3: number | null): Tables {
    const key = `${domain} ${host?.top} ${host?.level} ${gcr3}`;
    const tables = this.#known.get(key) ?? { id: this.#known.size, domain, host, gcr3 };
    this.#known.set(key, tables);
    return tables;
  }

  #write(sid: number, device: Device): void {
    this.#world.devices.set(sid, device);
    this.#put(DEVICE_TABLE + sid * DTE_BYTES, deviceWords(device, this.#setting));
  }
}
