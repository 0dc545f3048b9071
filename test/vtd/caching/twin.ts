/**
 * The brute-force twin: caches without limit that hold at once everything that hardware may hold. Before each change of
 * the tables and each invalidation they take in every entry that any request could bring in, from memory or from what
 * is held already; an invalidation removes what vtd.md section 5.3 says it must, and no more. What a request may end in
 * is what any combination of these entries gives.
 */
import { inRange } from '../../caching/radix.ts';
import type { Twin as AnyTwin } from '../../caching/sequence.ts';
import { add } from '../../caching/structures.ts';
import { ANY_PASID, type Command, type DeviceCommand, type FirstCommand, type IotlbCommand } from './commands.ts';
import {
  addressIn,
  faulted,
  isTranslated,
  type Place,
  type Request,
  reached,
  rightsIn,
  STOPPED,
  translated,
} from './requests.ts';
import { type Found, TwinEntries } from './twin-entries.ts';
import { TwinHost } from './twin-host.ts';
import { type Answer, TwinTranslations } from './twin-translations.ts';
import { type Result, TwinWalks } from './twin-walks.ts';
import { type Context, HOST_BITS, Kind, type Setting, type Space, type World } from './world.ts';

/** Codes that differ between the modes. */
const MODES = [
  {
    noDevices: 0x0d,
    noWrite: 0x05,
    noRead: 0x06,
    beyondHost: 0x04,
  },
  {
    noDevices: 0x44,
    noWrite: 0x85,
    noRead: 0x86,
    beyondHost: 0x83,
  },
] as const;
const NO_PASIDS = 0x45;
const NO_SUPERVISORS = 0x5d;
const NO_TRANSLATED_PASIDS = 0x49;
/** FPD does not count for these. */
const UNQUALIFIED: ReadonlySet<number> = new Set([0x01, 0x08, 0x09, 0x0a, 0x38, 0x39, 0x3a, 0x40, 0x50, 0x58]);
/** A translation request is answered without rights, and nothing is recorded (table 30). */
const NO_FAULT_FOR_TRANSLATION: ReadonlySet<number> = new Set([
  ...[0x04, 0x51, 0x59, 0x5d, 0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x79, 0x80, 0x81, 0x83, 0x84],
]);

const failed = (fault: number): Result => ({ fault, hpa: 0, rights: 0, unprotected: 0 });

export class Twin implements AnyTwin<Request, Command> {
  readonly #setting: Setting;
  readonly #codes: (typeof MODES)[number];
  readonly #places: readonly Place[];
  readonly #remembers: boolean;
  readonly #walks: TwinWalks;
  readonly #host: TwinHost;
  readonly #entries: TwinEntries;
  readonly #translations = new TwinTranslations();
  /** Completions that a device may hold, as outcomes. */
  readonly #completions = new Map<Place, number[]>();
  /** Answers since the last change. */
  readonly #derived = new Map<Place, Answer[]>();
  #isFull = false;

  /** Without memory of its own the twin says what the tables as they are now translate to. */
  constructor(setting: Setting, places: readonly Place[], world: World, remembers: boolean) {
    this.#setting = setting;
    this.#places = places;
    this.#entries = new TwinEntries(setting, world, remembers);
    this.#codes = MODES[setting.scalable ? 1 : 0];
    this.#remembers = remembers;
    this.#walks = new TwinWalks(setting, world, remembers);
    this.#host = new TwinHost(world, remembers);
  }

  outcomes({ place, way, write }: Request): number[] {
    this.#fill();
    if (way === 'device') return this.#throughDevice(place, write);
    const outcomes: number[] = [];
    for (const answer of this.#answers(place)) {
      add(outcomes, way === 'translation' ? this.#complete(answer) : this.#judge(answer, write));
    }
    return outcomes;
  }

  beforeChange(): void {
    this.#fill();
  }

  afterChange(): void {
    this.#isFull = false;
    this.#derived.clear();
    this.#walks.forget();
  }

  flush(command: Command): void {
    this.#fill();
    // What walks find stays as it is when devices or host permissions are told.
    if (command.op === 'device') {
      this.#flushDevice(command);
      return;
    }
    if (command.op === 'host') {
      this.#host.flush(command);
      this.#isFull = false;
      return;
    }
    if (command.op === 'context') this.#entries.flushContexts(command);
    else if (command.op === 'pasid') this.#entries.flushSpaces(command);
    else if (command.op === 'iotlb') this.#flushIotlb(command);
    else this.#flushFirst(command);
    this.afterChange();
  }

  #fill(): void {
    if (this.#isFull || !this.#remembers) return;
    if (this.#derived.size < this.#places.length) this.#deriveAll();
    if (this.#setting.ats) for (const place of this.#places) this.#completionsOf(place);
    this.#host.fill();
    this.#isFull = true;
  }

  #deriveAll(): void {
    for (const place of this.#places) this.#answers(place);
    // A domain with an older and a newer top table: what one brought in may lead on from the other.
    while (this.#walks.mayGrow()) {
      this.#derived.clear();
      for (const place of this.#places) this.#answers(place);
    }
  }

  /** Everything that a look-up or a walk for the place may give now. */
  #answers(place: Place): Answer[] {
    const done = this.#derived.get(place);
    if (done !== undefined) return done;
    const derived = this.#derive(place);
    const all = this.#remembers ? [...derived, ...this.#translations.of(place)] : derived;
    this.#derived.set(place, all);
    return all;
  }

  #judge({ result, fpd, unprotected }: Answer, write: boolean): number {
    const { fault, hpa } = result;
    const rights = unprotected ? result.unprotected : result.rights;
    if (fault !== 0) return this.#fault(fault, fpd);
    if (write) return (rights & 2) !== 0 ? reached(hpa) : this.#fault(this.#codes.noWrite, fpd);
    return (rights & 1) !== 0 ? reached(hpa) : this.#fault(this.#codes.noRead, fpd);
  }

  #complete({ result, fpd, unprotected, refusal }: Answer): number {
    const { fault } = result;
    if (refusal !== 0) return refusal;
    if (fault === 0) return translated(result.hpa, unprotected ? result.unprotected : result.rights);
    return NO_FAULT_FOR_TRANSLATION.has(fault) ? faulted(fault, false) : this.#fault(fault, fpd);
  }

  #fault(code: number, fpd: boolean): number {
    return faulted(code, UNQUALIFIED.has(code) || !fpd);
  }

  /** The device asks for a translation unless it has one, and goes where that says. */
  #throughDevice(place: Place, write: boolean): number[] {
    const outcomes: number[] = [];
    const wanted = write ? 2 : 1;
    for (const one of this.#completionsOf(place)) {
      if (!isTranslated(one)) add(outcomes, one);
      else if ((rightsIn(one) & wanted) === 0) add(outcomes, STOPPED);
      else for (const end of this.#arrive(place, addressIn(one), write)) add(outcomes, end);
    }
    return outcomes;
  }

  #completionsOf(place: Place): number[] {
    const held = this.#remembers ? (this.#completions.get(place) ?? []) : [];
    const all = [...held];
    for (const answer of this.#answers(place)) {
      const outcome = this.#complete(answer);
      add(all, outcome);
      if (this.#remembers && isTranslated(outcome) && rightsIn(outcome) !== 0) add(held, outcome);
    }
    if (this.#remembers) this.#completions.set(place, held);
    return all;
  }

  /** A translated request. */
  #arrive({ sid, pasid }: Place, hpa: number, write: boolean): number[] {
    const ends: number[] = [];
    for (const context of this.#entries.contextsOf(sid)) {
      const refusal = this.#refusal(context);
      if (refusal !== 0) add(ends, refusal);
      else if (pasid >= 0 && !context.translatedPasids) add(ends, this.#fault(NO_TRANSLATED_PASIDS, context.fpd));
      else if (!context.host) add(ends, reached(hpa));
      else {
        for (const { space, fpd, host } of this.#entries.spacesOf(sid, pasid < 0 ? context.ridPasid : pasid, context)) {
          const disabled = context.fpd || fpd || space.fpd;
          if (space.fault !== 0) add(ends, this.#fault(space.fault, disabled));
          else if (!host) add(ends, reached(hpa));
          else {
            for (const fault of this.#host.check(space.host!, hpa, write)) {
              add(ends, fault === 0 ? reached(hpa) : this.#fault(fault, disabled));
            }
          }
        }
      }
    }
    return ends;
  }

  /** Why a context entry lets no translation request in, nor a translated one. */
  #refusal({ fault, deviceTlb, fpd }: Context): number {
    if (fault !== 0) return this.#fault(fault, fpd);
    return deviceTlb ? 0 : this.#fault(this.#codes.noDevices, fpd);
  }

  /** What a walk for the place may find now; all of it that may be cached is. */
  #derive(place: Place): Answer[] {
    const answers: Answer[] = [];
    for (const context of this.#entries.contextsOf(place.sid)) {
      const refusal = this.#refusal(context);
      const own = context.fault !== 0 ? context.fault : place.pasid >= 0 && !context.pasids ? NO_PASIDS : 0;
      if (own !== 0) {
        answers.push({ result: failed(own), fpd: context.fpd, refusal, unprotected: false });
        continue;
      }
      const isOwnPasid = place.pasid >= 0 || !this.#setting.scalable;
      const pasid = isOwnPasid ? place.pasid : context.ridPasid;
      const privileged = isOwnPasid ? place.privileged : context.ridPrivileged;
      const spaces: readonly Found[] =
        context.space === null
          ? this.#entries.spacesOf(place.sid, pasid, context)
          : [{ space: context.space, fpd: false, host: false }];
      for (const found of spaces) {
        const { space } = found;
        const fpd = context.fpd || found.fpd || space.fpd;
        const unprotected = privileged && !space.writeProtect && space.first !== null;
        for (const result of this.#translate(space, pasid, place.address, privileged)) {
          const answer = { result, fpd, refusal, unprotected };
          answers.push(answer);
          if (this.#remembers && this.#mayCache(space, answer)) {
            this.#translations.keep(place, space, pasid, answer);
          }
        }
      }
    }
    return answers;
  }

  #translate(space: Space, pasid: number, address: number, privileged: boolean): Result[] {
    if (space.fault !== 0) return [failed(space.fault)];
    if (this.#setting.scalable && privileged && !space.supervisor) return [failed(NO_SUPERVISORS)];
    if (space.kind === Kind.PASS) {
      if (address >= 2 ** HOST_BITS) return [failed(this.#codes.beyondHost)];
      return [{ fault: 0, hpa: address, rights: 3, unprotected: 3 }];
    }
    if (space.first === null) return this.#walks.second(space.second!, address);
    return this.#walks.first(space.stages!, pasid, address, privileged);
  }

  #mayCache({ fault, kind }: Space, { result }: Answer): boolean {
    if (fault !== 0) return false;
    if (result.fault === 0 && (result.rights | result.unprotected) !== 0) return true;
    return this.#setting.cm && kind === Kind.SECOND && result.fault !== NO_SUPERVISORS;
  }

  #flushIotlb(command: IotlbCommand): void {
    const { firstStructures, secondStructures } = this.#walks;
    this.#translations.flushIotlb(command);
    if (command.by === 'global') for (const structures of [firstStructures, secondStructures]) structures.clear();
    else {
      firstStructures.removeDomain(command.did);
      if (command.by === 'domain') secondStructures.removeDomain(command.did);
      else if (!command.leavesOnly) secondStructures.removePages(command.did, command);
    }
  }

  #flushFirst(command: FirstCommand): void {
    const { firstStructures } = this.#walks;
    const { did, pasid } = command;
    this.#translations.flushFirst(command);
    if (command.by === 'pasid') firstStructures.remove((one) => one.did === did && one.pasid === pasid);
    else if (!command.leavesOnly) firstStructures.removePages(did, command, pasid);
  }

  #flushDevice(command: DeviceCommand): void {
    for (const [place, held] of this.#completions) {
      const { sid, pasid, address } = place;
      const isOf = command.pasid === ANY_PASID ? pasid >= 0 : pasid === command.pasid;
      if (sid !== command.sid || !isOf || !inRange(command, address)) continue;
      held.length = 0;
      // The device may ask again at once.
      this.#completionsOf(place);
    }
  }
}
