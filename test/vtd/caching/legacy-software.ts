/** Software of legacy mode: root, context and second-stage tables, and what it has to invalidate after each change. */

import type { Command } from './commands.ts';
import type { Dice } from './dice.ts';
import { contextWords } from './legacy-words.ts';
import { NOTHING_NEEDED, type Put, SecondTables, type Sufficient } from './second-tables.ts';
import { type Context, Kind, type Setting, type Space, type World } from './world.ts';

export const ROOT = 0x1000;
export const CONTEXTS = 0x2000;
const PASS_DID = 4;
const ABSENT: Context = { fault: 0x02, space: null, directory: 0, ridPasid: 0 };
const RESERVED: Context = { fault: 0x0b, space: null, directory: 0, ridPasid: 0 };
const NO_TYPE: Context = { fault: 0x03, space: null, directory: 0, ridPasid: 0 };

/** What every kind of software offers to a sequence. */
export interface Software {
  /** Changes one thing in the tables. */
  edit(dice: Dice): Sufficient;
}

export class LegacySoftware implements Software {
  readonly #setting: Setting;
  readonly #world: World;
  readonly #put: Put;
  readonly #tables: SecondTables;
  readonly #pass: Context;
  /** The context of each domain now. */
  readonly #ofDomain = new Map<number, Context>();

  constructor(setting: Setting, world: World, put: Put, dice: Dice) {
    this.#setting = setting;
    this.#world = world;
    this.#put = put;
    this.#tables = new SecondTables(setting, world, put, dice);
    this.#pass = this.#context({ fault: 0, kind: Kind.PASS, did: PASS_DID, second: null, first: null });
    for (const did of [1, 2]) this.#makeContext(did);
    this.#writeRoot();
    for (const sid of setting.sids) this.#writeContext(sid, this.#ofDomain.get(1 + dice.below(2))!);
  }

  edit(dice: Dice): Sufficient {
    const kind = dice.below(100);
    if (!this.#world.root && kind < 50) return this.#editRoot();
    if (kind < 70) return this.#tables.edit(dice);
    if (kind < 88) return this.#editContext(dice);
    if (kind < 97) return this.#replaceTop(dice);
    return this.#editRoot();
  }

  #editContext(dice: Dice): Sufficient {
    const sid = dice.pick(this.#setting.sids);
    const old = this.#world.contexts.get(sid)!;
    const domains = [...this.#ofDomain.values()];
    this.#writeContext(
      sid,
      dice.pick([...domains, ...domains, ...domains, this.#pass, ABSENT, dice.pick([RESERVED, NO_TYPE])]),
    );
    if (old === ABSENT && !this.#setting.cm) return NOTHING_NEEDED;
    // What a faulting entry left behind is in domain 0.
    const did = old.space?.did ?? 0;
    const device: Command = { op: 'context', by: 'device', did, sid, fm: 0 };
    const domain: Command = { op: 'iotlb', by: 'domain', did };
    const global: Command = { op: 'context', by: 'global', did: 0 };
    return [
      [device, domain],
      [{ ...device, sid: dice.pick(this.#setting.sids), fm: this.#setting.functionMask }, domain],
      [{ op: 'context', by: 'domain', did }, domain],
      [device, { op: 'iotlb', by: 'global', did: 0 }],
      [global, { op: 'iotlb', by: 'global', did: 0 }],
    ];
  }

  /** A domain id is used for another top table: all its context entries change. */
  #replaceTop(dice: Dice): Sufficient {
    const did = 1 + dice.below(2);
    const old = this.#ofDomain.get(did)!;
    this.#tables.replaceTop(did, dice);
    this.#makeContext(did);
    for (const [sid, context] of this.#world.contexts) {
      if (context === old) this.#writeContext(sid, this.#ofDomain.get(did)!);
    }
    const domain: Command = { op: 'iotlb', by: 'domain', did };
    const [sid = 0] = this.#setting.sids;
    return [
      [{ op: 'context', by: 'domain', did }, domain],
      [{ op: 'context', by: 'device', did, sid, fm: this.#setting.functionMask }, domain],
      [{ op: 'context', by: 'global', did: 0 }, domain],
    ];
  }

  #editRoot(): Sufficient {
    const wasPresent = this.#world.root;
    this.#world.root = !wasPresent;
    this.#writeRoot();
    if (!wasPresent && !this.#setting.cm) return NOTHING_NEEDED;
    return [
      [
        { op: 'context', by: 'global', did: 0 },
        { op: 'iotlb', by: 'global', did: 0 },
      ],
    ];
  }

  #makeContext(did: number): void {
    const second = this.#tables.domains.get(did)!;
    this.#ofDomain.set(did, this.#context({ fault: 0, kind: Kind.SECOND, did, second, first: null }));
  }

  #context(space: Space): Context {
    return { fault: 0, space, directory: 0, ridPasid: 0 };
  }

  #writeRoot(): void {
    const bus = this.#setting.sids[0]! >>> 8;
    this.#put(ROOT + bus * 16, [this.#world.root ? BigInt(CONTEXTS) | 1n : 0n, 0n]);
  }

  #writeContext(sid: number, context: Context): void {
    this.#world.contexts.set(sid, context);
    this.#put(CONTEXTS + (sid & 0xff) * 16, contextWords(context, this.#setting.levels));
  }
}
