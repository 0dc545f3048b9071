/** Software of legacy mode: root, context and second-stage tables, and what it has to invalidate after each change. */

import type { Dice } from '../../caching/dice.ts';
import { HOLE } from '../../caching/radix.ts';
import type { Command } from './commands.ts';
import { contextWords } from './legacy-words.ts';
import { type Change, NOTHING_NEEDED, type Put, SecondTables } from './second-tables.ts';
import { type Context, Kind, type Root, type Setting, type Space, type World } from './world.ts';

export const ROOT = 0x1000;
export const CONTEXTS = 0x2000;
const PASS_DID = 4;
/** P = 0, reserved bits, and TT = 11. */
const NO_SPACE = [0x02, 0x0b, 0x03] as const;

/** What every kind of software offers to a sequence. */
export interface Software {
  /** Changes one thing in the tables. */
  edit(dice: Dice): Change;
}

export class LegacySoftware implements Software {
  readonly #setting: Setting;
  readonly #world: World;
  readonly #put: Put;
  readonly #tables: SecondTables;
  /** One object per meaning. */
  readonly #known = new Map<string, Context>();
  /** The space of each domain now; that of pass-through last. */
  readonly #spaces = new Map<number, Space>();

  constructor(setting: Setting, world: World, put: Put, dice: Dice) {
    this.#setting = setting;
    this.#world = world;
    this.#put = put;
    this.#tables = new SecondTables(setting, world, put, dice);
    for (const did of [1, 2]) this.#makeSpace(did);
    this.#spaces.set(PASS_DID, spaceOf(Kind.PASS, PASS_DID));
    this.#writeRoot();
    for (const sid of setting.sids) this.#writeContext(sid, this.#context(1 + dice.below(2), dice));
  }

  edit(dice: Dice): Change {
    const kind = dice.below(100);
    if (this.#world.root !== 'present' && kind < 50) return this.#editRoot('present');
    if (kind < 70) return this.#tables.edit(dice);
    if (kind < 88) return this.#editContext(dice);
    if (kind < 97) return this.#replaceTop(dice);
    return this.#editRoot(this.#setting.holes && dice.chance(30) ? 'no memory' : 'absent');
  }

  #editContext(dice: Dice): Change {
    const sid = dice.pick(this.#setting.sids);
    const old = this.#world.contexts.get(sid)!;
    this.#writeContext(
      sid,
      dice.chance(25) ? this.#faulting(dice) : this.#context(dice.pick([1, 2, 1, 2, PASS_DID]), dice),
    );
    if (old.fault === NO_SPACE[0] && !this.#setting.cm) return NOTHING_NEEDED;
    // What a faulting entry left behind is in domain 0.
    const did = old.space?.did ?? 0;
    const device: Command = { op: 'context', by: 'device', did, sid, fm: 0 };
    const domain: Command = { op: 'iotlb', by: 'domain', did };
    const global: Command = { op: 'context', by: 'global', did: 0 };
    const sufficient = [
      [device, domain],
      [{ ...device, sid: dice.pick(this.#setting.sids), fm: this.#setting.functionMask }, domain],
      [{ op: 'context', by: 'domain', did } as const, domain],
      [device, { op: 'iotlb', by: 'global', did: 0 } as const],
      [global, { op: 'iotlb', by: 'global', did: 0 } as const],
    ];
    return { sufficient };
  }

  /** A domain id is used for another top table: all its context entries change. */
  #replaceTop(dice: Dice): Change {
    const did = 1 + dice.below(2);
    const old = this.#spaces.get(did)!;
    this.#tables.replaceTop(did, dice);
    this.#makeSpace(did);
    for (const [sid, context] of this.#world.contexts) {
      if (context.space === old) this.#writeContext(sid, this.#same(did, context.fpd, context.deviceTlb));
    }
    const domain: Command = { op: 'iotlb', by: 'domain', did };
    const [sid = 0] = this.#setting.sids;
    const sufficient: Command[][] = [
      [{ op: 'context', by: 'domain', did }, domain],
      [{ op: 'context', by: 'device', did, sid, fm: this.#setting.functionMask }, domain],
      [{ op: 'context', by: 'global', did: 0 }, domain],
    ];
    return { sufficient };
  }

  #editRoot(now: Root): Change {
    const wasPresent = this.#world.root === 'present';
    this.#world.root = now;
    this.#writeRoot();
    if (!wasPresent && !this.#setting.cm) return NOTHING_NEEDED;
    const sufficient: Command[][] = [
      [
        { op: 'context', by: 'global', did: 0 },
        { op: 'iotlb', by: 'global', did: 0 },
      ],
    ];
    return { sufficient };
  }

  #makeSpace(did: number): void {
    this.#spaces.set(did, { ...spaceOf(Kind.SECOND, did), second: this.#tables.domains.get(did)! });
    for (const key of this.#known.keys()) if (key.startsWith(`${did} `)) this.#known.delete(key);
  }

  #context(did: number, dice: Dice): Context {
    const fpd = this.#setting.fpd && dice.chance(30);
    // Pass-through lets no translation request in.
    return this.#same(did, fpd, this.#setting.ats && did !== PASS_DID && dice.chance(75));
  }

  #same(did: number, fpd: boolean, deviceTlb: boolean): Context {
    return this.#meaning(`${did} ${fpd} ${deviceTlb}`, { fault: 0, space: this.#spaces.get(did)!, fpd, deviceTlb });
  }

  #faulting(dice: Dice): Context {
    const fault = dice.pick([NO_SPACE[0], NO_SPACE[0], NO_SPACE[1], NO_SPACE[2]]);
    const fpd = this.#setting.fpd && dice.chance(30);
    return this.#meaning(`fault ${fault} ${fpd}`, { fault, space: null, fpd, deviceTlb: true });
  }

  #meaning(key: string, said: Pick<Context, 'fault' | 'space' | 'fpd' | 'deviceTlb'>): Context {
    const scalable = {
      directory: 0,
      ridPasid: 0,
      ridPrivileged: false,
      pasids: true,
      translatedPasids: true,
      host: false,
    };
    const context = this.#known.get(key) ?? { ...said, ...scalable };
    this.#known.set(key, context);
    return context;
  }

  #writeRoot(): void {
    const bus = this.#setting.sids[0]! >>> 8;
    const { root } = this.#world;
    const table = BigInt(root === 'no memory' ? HOLE : CONTEXTS);
    this.#put(ROOT + bus * 16, [root === 'absent' ? 0n : table | 1n, 0n]);
  }

  #writeContext(sid: number, context: Context): void {
    this.#world.contexts.set(sid, context);
    this.#put(CONTEXTS + (sid & 0xff) * 16, contextWords(context, this.#setting.levels));
  }
}

function spaceOf(kind: number, did: number): Space {
  const scalable = { fpd: false, supervisor: false, writeProtect: false, host: null };
  return { fault: 0, kind, did, second: null, first: null, stages: null, ...scalable };
}
