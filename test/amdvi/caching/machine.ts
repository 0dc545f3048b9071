/** An AMD-Vi unit with memory, driven as software and devices drive it. */

import { AmdViUnit } from '../../../hardware/amdvi/index.ts';
import type { AmdFault } from '../../../hardware/amdvi/spec/index.ts';
import { highHalf, lowHalf, numberOf } from '../../../hardware/bits/index.ts';
import { Access, type IotlbSpec, REPLACEMENT_POLICIES, Translation } from '../../../hardware/iommu/index.ts';
import { PhysicalMemory } from '../../../hardware/memory/index.ts';
import type { Dice } from '../../caching/dice.ts';
import { HOLE, HOLE_BYTES } from '../../caching/radix.ts';
import type { Hardware } from '../../caching/sequence.ts';
import { type Command, commandWords } from './commands.ts';
import { blocked, type Request, reached } from './requests.ts';
import type { Setting } from './world.ts';

const REG = { DEVICE_TABLE: 0x0000, COMMANDS: 0x0008, CONTROL: 0x0018, HEAD: 0x2000, TAIL: 0x2008 } as const;
const COMMANDS = 0x8000;
const COMMAND_BYTES = 4096;
export const DEVICE_TABLE = 0x100_0000;
/** GTSup, IASup, HATS 6 levels, GATS 5, GLXSup 3, PASMax 20 bits, GIoSup, HASup and HDSup. */
const EFR = 0x0013_0013_0000_9850n;
/** GCR3TRPModeSup. */
const EFR2 = 0x8n;
/** CapID 0Fh, CapType 011b, CapRev 1, EFRSup; and NpCache. */
const CAPABILITY = 0x080b_000f;
const NP_CACHE = 0x0400_0000;
/** IommuEn and CmdBufEn; GTEn; GCR3TRPMode. */
const ENABLED = 0x1001n;
const GUEST = 0x1_0000n;
const ROOT_IS_GUEST = 1n << 58n;
/** All there is, but for the hole. */
const RAM = [
  [0, HOLE],
  [HOLE + HOLE_BYTES, 2 ** 52 - HOLE - HOLE_BYTES],
] as const;

export const HOST_CACHES = ['iotlb', 'deviceTableCache', 'hostDirectoryCache'] as const;
export const CACHES = [...HOST_CACHES, 'gcr3Cache', 'guestDirectoryCache'] as const;
export type CacheName = (typeof CACHES)[number];
/** Sizes of the caches that are on. */
export type CacheSpecs = Partial<Record<CacheName, IotlbSpec>>;

export function drawCaches(dice: Dice, on: readonly CacheName[]): CacheSpecs {
  return Object.fromEntries(
    on.map((name): [CacheName, IotlbSpec] => {
      const policy = dice.pick(REPLACEMENT_POLICIES);
      const isLarge = dice.chance(60);
      return [name, { sets: isLarge ? 8 : dice.pick([1, 2]), ways: isLarge ? 4 : dice.pick([1, 2, 4]), policy }];
    }),
  );
}

export class Machine implements Hardware<Request, Command> {
  readonly unit: AmdViUnit;
  readonly memory = new PhysicalMemory(RAM);
  readonly #setting: Setting;
  readonly #t = new Translation<AmdFault>();
  #tail = 0;

  constructor(setting: Setting, caches: CacheSpecs) {
    const capHeader = CAPABILITY | (setting.np ? NP_CACHE : 0);
    this.unit = new AmdViUnit(
      {
        features: { efr: EFR, efr2: EFR2, capHeader },
        hostAddressWidth: 52,
        iotlb: caches.iotlb ?? null,
        deviceTableCache: caches.deviceTableCache ?? null,
        gcr3Cache: caches.gcr3Cache ?? null,
        hostDirectoryCache: caches.hostDirectoryCache ?? null,
        guestDirectoryCache: caches.guestDirectoryCache ?? null,
      },
      { memory: this.memory, raiseMsi: () => {} },
    );
    this.#setting = setting;
  }

  /** A device table of 65536 entries, the shortest command buffer, and the unit on. */
  start(): void {
    const { guest, rootIsGuest } = this.#setting;
    this.unit.write(REG.DEVICE_TABLE, 8, BigInt(DEVICE_TABLE) | 0x1ffn);
    this.unit.write(REG.COMMANDS, 8, BigInt(COMMANDS) | 0x0800_0000_0000_0000n);
    this.unit.write(REG.CONTROL, 8, ENABLED | (guest ? GUEST : 0n) | (rootIsGuest ? ROOT_IS_GUEST : 0n));
  }

  readonly put = (address: number, words: readonly bigint[]): void => {
    words.forEach((word, i) => {
      this.memory.write64(address + i * 8, word);
    });
  };

  invalidate(command: Command): void {
    this.put(COMMANDS + this.#tail, commandWords(command));
    this.#tail = (this.#tail + 16) % COMMAND_BYTES;
    this.unit.write(REG.TAIL, 8, BigInt(this.#tail));
    if (this.unit.read(REG.HEAD, 8) !== BigInt(this.#tail)) throw new Error(`refused: ${JSON.stringify(command)}`);
  }

  access(request: Request): number {
    return this.#access(request, (t) => this.unit.translate(t));
  }

  accessAround(request: Request, steps: number, meanwhile: () => void): number {
    let isDone = false;
    const once = (): void => {
      if (!isDone) meanwhile();
      isDone = true;
    };
    const answer = this.#access(request, (t) => this.#walkAround(t, steps, once));
    once();
    return answer;
  }

  #walkAround(t: Translation<AmdFault>, steps: number, meanwhile: () => void): void {
    if (this.unit.hit(t)) return;
    const walk = this.unit.walk(t);
    for (let done = 0; ; done++) {
      if (done === steps) meanwhile();
      const step = walk.next();
      if (step.done === true) break;
      this.memory.perform(step.value);
    }
    this.unit.report(t);
  }

  #access({ place, write }: Request, answer: (t: Translation<AmdFault>) => void): number {
    const t = this.#t;
    const { sid, pasid, privileged, address } = place;
    const access = (write ? Access.WRITE : Access.READ) | (privileged ? Access.PRIVILEGED : 0);
    answer(t.ask(sid, pasid, access, highHalf(address), lowHalf(address)));
    if (t.fault === null) return reached(numberOf(t.hpaHi, t.hpaLo));
    const { code, flags } = t.fault;
    return blocked({ code, pr: flags.PR, pe: flags.PE, rz: flags.RZ }, t.recorded);
  }
}
