/**
 * One request on its way through an IOMMU, and the answer: reused by its owner, so that nothing is allocated per
 * request. Several may be under way at once in a timed machine; each has its own.
 */
import { belowHigh, belowLow } from '../ats/index.ts';
import { numberOf } from '../bits/index.ts';
import { MemoryOperation } from '../memory/index.ts';
import { Access, AddressType, NO_PASID, RIGHTS, Status } from './access.ts';
import { WalkSteps } from './walk-steps.ts';

/** A fault reason as its vendor's specification declares it. */
export interface FaultReason {
  readonly code: number;
  /** The specification's name of the condition, for instance `LGN.2`. */
  readonly name: string;
}

/** Where a page lies and what may be done with it. */
export class Leaf {
  /** Host address of the page, as halves; the bits below `shift` are 0. */
  frameHi = 0;
  frameLo = 0;
  /** log2 of the page's bytes. */
  shift = 12;
  /** Access.READ and Access.WRITE as far as they are allowed. */
  rights = 0;
  /** What may be read may be executed: said in the answer to an execute request only. */
  executable = false;
  snoop = false;
  /** A write needs no flag to be set in memory: none is kept, or it is set. */
  dirty = true;

  /** A page that is not there: nothing may be done with it. */
  clear(): void {
    this.frameHi = 0;
    this.frameLo = 0;
    this.shift = 12;
    this.rights = 0;
    this.executable = false;
    this.snoop = false;
    this.dirty = true;
  }

  /** Keeps only the 2^shift bytes in which the address with these halves, before translation, lies. */
  narrow(hi: number, lo: number, shift: number): void {
    if (this.shift <= shift) return;
    this.frameHi |= hi & belowHigh(this.shift) & ~belowHigh(shift);
    this.frameLo |= lo & belowLow(this.shift) & ~belowLow(shift);
    this.shift = shift;
  }

  /** Where the byte at `address`, which the page translates, lies. */
  addressOf(address: number): number {
    return numberOf(this.frameHi, this.frameLo) + (address % 2 ** this.shift);
  }

  /** The same for an address of 64 bits. */
  placeOf(address: bigint): number {
    return numberOf(this.frameHi, this.frameLo) + Number(BigInt.asUintN(this.shift, address));
  }
}

export class Translation<Fault extends FaultReason = FaultReason> {
  requester = 0;
  pasid = NO_PASID;
  /** Bits of `Access`. */
  access = 0;
  addressType: number = AddressType.UNTRANSLATED;
  hi = 0;
  lo = 0;
  /** False for a question: the answer is the same, and no cache, table, record or counter changes. */
  effects = true;

  /** `IommuUnit.hit` has found nothing in the IOTLB, and that alone kept it from answering. */
  missed = false;
  /** When the walk began, in invalidations. */
  era = 0;
  /** Domain of the request, once it is known. */
  domain = 0;
  /** The request acts with supervisor privilege. */
  privileged = false;

  status: number = Status.SUCCESS;
  hpaHi = 0;
  hpaLo = 0;
  /** The access snoops the caches whatever it says itself. */
  snoop = false;
  /** After a walk that succeeded: the address came through as it was, without tables. */
  passed = false;
  readonly leaf = new Leaf();
  fault: Fault | null = null;
  /** False when the specification lets the fault go unrecorded: qualified and disabled, or recoverable. */
  recorded = false;
  /** An entry met on the way keeps faults of some kinds from being recorded (VT-d: FPD; AMD-Vi: SE and SA). */
  faultDisable = false;
  /** The accesses of this request's walk. */
  readonly memory = new MemoryOperation();
  /** Its walk where that goes entry by entry. */
  readonly steps = new WalkSteps();

  /** A plain question: untranslated, with effects. */
  ask(requester: number, pasid: number, access: number, hi: number, lo: number): this {
    this.requester = requester;
    this.pasid = pasid;
    this.access = access;
    this.hi = hi;
    this.lo = lo;
    this.addressType = AddressType.UNTRANSLATED;
    this.effects = true;
    return this;
  }

  /** Forgets the last answer. */
  begin(): void {
    this.status = Status.SUCCESS;
    this.fault = null;
    this.recorded = false;
    this.faultDisable = false;
    this.privileged = false;
  }

  /** Answers with the address that `leaf` gives. */
  succeed(): void {
    const { frameHi, frameLo, shift, snoop } = this.leaf;
    this.hpaHi = shift > 32 ? frameHi | (this.hi & belowHigh(shift)) : frameHi;
    this.hpaLo = frameLo | (this.lo & (shift < 32 ? (1 << shift) - 1 : -1));
    this.snoop = snoop;
    this.passed = false;
  }

  /** Answers with the address itself. */
  pass(): void {
    this.leaf.frameHi = this.hi;
    this.leaf.frameLo = this.lo & ~0xfff;
    this.leaf.shift = 12;
    this.leaf.rights = RIGHTS;
    this.leaf.executable = true;
    this.leaf.snoop = false;
    this.snoop = false;
    this.hpaHi = this.hi;
    this.hpaLo = this.lo;
    this.passed = true;
  }
}

/**
 * The rights without which a request writes nothing, so that it sets no dirty flag; 0 for one that does not write. A translation request
 * asks for what there is.
 */
export function rightsToWrite({ access, addressType }: Pick<Translation, 'access' | 'addressType'>): number {
  if ((access & Access.WRITE) === 0) return 0;
  return addressType === AddressType.TRANSLATION ? Access.WRITE : access & RIGHTS;
}

/** ER: only a request with PASID can ask for execution. */
export function isExecute({ pasid, access }: Pick<Translation, 'pasid' | 'access'>): boolean {
  return pasid !== NO_PASID && (access & Access.EXECUTE) !== 0;
}

/** True when the address has a bit at or above `bits`, a width from 32 to 64. */
export function exceeds(hi: number, bits: number): boolean {
  return bits < 64 && hi >>> (bits - 32) !== 0;
}
