/** What entries of scalable mode may say. The same object stands for the same meaning: the twin compares identities. */
import type { Dice } from '../../caching/dice.ts';
import {
  type Context,
  type FirstTable,
  type HostTable,
  Kind,
  type SecondTable,
  type Setting,
  type Space,
  type Stages,
} from './world.ts';

/** The domain that has a first stage alone. */
export const FIRST_DID = 3;
const PASS_DID = 4;
/** Domains that a space may be in. 1 and 2 have a second stage. */
const DIDS = [1, 2, 1, 2, FIRST_DID, PASS_DID] as const;
/** P = 0, reserved bits, and values that are not supported. */
const NO_CONTEXT = [0x41, 0x42, 0x43] as const;
const NO_SPACE = [0x59, 0x5a, 0x5b] as const;

/** What a PASID-table entry says beside what it translates through. */
interface Qualities {
  readonly fpd: boolean;
  readonly supervisor: boolean;
  readonly writeProtect: boolean;
  readonly host: HostTable | null;
}

export class ScalableMeanings {
  /** Where the first stage of each PASID begins now. */
  readonly tops = new Map<number, FirstTable>();
  readonly #setting: Setting;
  /** The second stage of each domain now. */
  readonly #seconds: ReadonlyMap<number, SecondTable>;
  readonly #hosts: readonly HostTable[];
  /** Whether the PASID is nested in its domain. */
  readonly #isNested = new Map<string, boolean>();
  readonly #stages = new Map<string, Stages>();
  readonly #spaces = new Map<string, Space>();
  readonly #contexts = new Map<string, Context>();

  constructor(setting: Setting, seconds: ReadonlyMap<number, SecondTable>, hosts: readonly HostTable[]) {
    this.#setting = setting;
    this.#seconds = seconds;
    this.#hosts = hosts;
  }

  /** Gives a PASID its first stage, alone or nested in each of the domains that have a second one. */
  introduce(pasid: number, top: FirstTable, dice: Dice): void {
    this.tops.set(pasid, top);
    for (const did of this.#seconds.keys()) this.#isNested.set(`${did} ${pasid}`, dice.chance(60));
  }

  /** An entry for the PASID, in some domain. */
  draw(pasid: number, dice: Dice): Space {
    const { fpd, privileged } = this.#setting;
    return this.space(dice.pick(DIDS), pasid, {
      fpd: fpd && dice.chance(30),
      supervisor: privileged && dice.chance(75),
      writeProtect: privileged && dice.chance(50),
      host: this.#hosts.length === 0 ? null : dice.pick(this.#hosts),
    });
  }

  /** The entry of a domain and PASID, as their tables are now. */
  space(did: number, pasid: number, { fpd, supervisor, writeProtect, host }: Qualities): Space {
    const qualities = { fpd, supervisor, writeProtect, host };
    const key = keyOf(did, pasid, qualities);
    const stages = this.#stagesOf(did, pasid);
    const known = this.#spaces.get(key);
    if (known?.stages === stages) return known;
    const space = { fault: 0, ...stages, stages, ...qualities };
    this.#spaces.set(key, space);
    return space;
  }

  #stagesOf(did: number, pasid: number): Stages {
    const key = `${did} ${pasid}`;
    const second = this.#seconds.get(did) ?? null;
    const first = did === FIRST_DID || this.#isNested.get(key) === true ? this.tops.get(pasid)! : null;
    const bare = second === null ? Kind.PASS : Kind.SECOND;
    const kind = first !== null ? (second === null ? Kind.FIRST : Kind.NESTED) : bare;
    const known = this.#stages.get(key);
    if (known?.second === second && known.first === first) return known;
    const stages = { kind, did, second, first };
    this.#stages.set(key, stages);
    return stages;
  }

  /** An entry that faults by itself. */
  noSpace(dice: Dice): Space {
    const fault = dice.pick([NO_SPACE[0], ...NO_SPACE]);
    const fpd = this.#setting.fpd && dice.chance(30);
    const nothing = { kind: 0, did: 0, second: null, first: null, stages: null };
    const space = this.#spaces.get(`fault ${fault} ${fpd}`) ?? {
      ...{ fault, fpd, ...nothing },
      ...{ supervisor: false, writeProtect: false, host: null },
    };
    this.#spaces.set(`fault ${fault} ${fpd}`, space);
    return space;
  }

  context(directory: number, ridPasid: number, dice: Dice): Context {
    const { fpd, privileged, ats, host } = this.#setting;
    const pasids = dice.chance(88);
    return this.#meaning({
      ...{ fault: 0, space: null, directory, ridPasid, pasids },
      fpd: fpd && dice.chance(30),
      deviceTlb: ats && dice.chance(80),
      ridPrivileged: privileged && dice.chance(40),
      translatedPasids: ats && pasids && dice.chance(80),
      host: host && dice.chance(60),
    });
  }

  /** An entry that faults by itself. */
  noContext(dice: Dice): Context {
    const fpd = this.#setting.fpd && dice.chance(30);
    return this.#meaning({
      ...{ fault: dice.pick(NO_CONTEXT), fpd, space: null, directory: 0, ridPasid: 0, ridPrivileged: false },
      ...{ deviceTlb: true, pasids: true, translatedPasids: true, host: false },
    });
  }

  #meaning(context: Context): Context {
    const key = JSON.stringify(context);
    const known = this.#contexts.get(key) ?? context;
    this.#contexts.set(key, known);
    return known;
  }
}

function keyOf(did: number, pasid: number, { fpd, supervisor, writeProtect, host }: Qualities): string {
  return `${did} ${pasid} ${fpd} ${supervisor} ${writeProtect} ${host?.did}`;
}
