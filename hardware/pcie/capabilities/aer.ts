/**
 * The AER capability: which errors a function had, which of them it tells, and the header of the first. Whether a message
 * may be sent at all is decided in `error-reporting.ts`.
 *
 * Inaccuracies: one header is logged at a time, and no prefix.
 */
import type { Field } from '../../bits/index.ts';
import { AER_CAPABILITY, ErrorMessage, ExtendedCapabilityId, UncorrectableError } from '../spec/index.ts';
import { Capability } from './capability.ts';

const UNCORRECTABLE_STATUS = 0x04;
const UNCORRECTABLE_MASK = 0x08;
const UNCORRECTABLE_SEVERITY = 0x0c;
const CORRECTABLE_STATUS = 0x10;
const CORRECTABLE_MASK = 0x14;

const A = AER_CAPABILITY;

const POWER_ON = {
  SEVERITY_DATA_LINK_PROTOCOL: 1,
  SEVERITY_SURPRISE_DOWN: 1,
  SEVERITY_FLOW_CONTROL_PROTOCOL: 1,
  SEVERITY_RECEIVER_OVERFLOW: 1,
  SEVERITY_MALFORMED_TLP: 1,
  SEVERITY_UNCORRECTABLE_INTERNAL: 1,
  MASK_UNCORRECTABLE_INTERNAL: 1,
  MASK_PREFIX_BLOCKED: 1,
  MASK_ADVISORY_NON_FATAL: 1,
  MASK_CORRECTED_INTERNAL: 1,
  MASK_HEADER_LOG_OVERFLOW: 1,
} as const;
const HEADER_LOG: readonly Field[] = [A.HEADER_LOG_0, A.HEADER_LOG_1, A.HEADER_LOG_2, A.HEADER_LOG_3];
const ERRORS: ReadonlySet<number> = new Set([ErrorMessage.CORRECTABLE, ErrorMessage.NON_FATAL, ErrorMessage.FATAL]);
const ROOT_COMMANDS: readonly Field[] = [
  A.CORRECTABLE_REPORTING_ENABLE,
  A.NON_FATAL_REPORTING_ENABLE,
  A.FATAL_REPORTING_ENABLE,
];

export class AerCapability extends Capability<typeof AER_CAPABILITY> {
  /** The capability whose masks and severities hold for this function. */
  readonly #control: AerCapability;
  readonly #isRoot: boolean;

  /** `physical` is the capability of a virtual function's physical one; errors are reported to a root. */
  constructor(physical: AerCapability | null, isRoot: boolean) {
    super({
      extended: true,
      id: ExtendedCapabilityId.ADVANCED_ERROR_REPORTING,
      layout: AER_CAPABILITY,
      version: 2,
      initial: physical === null ? POWER_ON : {},
    });
    this.#control = physical ?? this;
    this.#isRoot = isRoot;
  }

  isFatal(error: number): boolean {
    return this.#control.#bit(UNCORRECTABLE_SEVERITY, error);
  }

  /** Logs an uncorrectable error and the four words of its TLP's header. False when it is masked and not to be told. */
  log(error: number, header: ArrayLike<number> | null): boolean {
    // The log stays with the error that it is of until software clears that one's status.
    const isTaken = this.#bit(UNCORRECTABLE_STATUS, this.get(A.FIRST_ERROR_POINTER));
    this.#raise(UNCORRECTABLE_STATUS, error);
    if (this.#control.#bit(UNCORRECTABLE_MASK, error)) return false;
    if (isTaken) return true;
    this.set(A.FIRST_ERROR_POINTER, error);
    HEADER_LOG.forEach((field, i) => {
      this.set(field, (header?.[i] ?? 0) >>> 0);
    });
    return true;
  }

  /** Logs a correctable error. False when it is masked and not to be told. */
  logCorrectable(error: number): boolean {
    this.#raise(CORRECTABLE_STATUS, error);
    return !this.#control.#bit(CORRECTABLE_MASK, error);
  }

  /** A root takes an error message from `source`; others are none of its business. True when software wants an interrupt for it. */
  receive(message: number, source: number): boolean {
    if (!this.#isRoot || !ERRORS.has(message)) return false;
    if (message === ErrorMessage.CORRECTABLE) {
      this.#first(A.ERR_COR_RECEIVED, A.MULTIPLE_ERR_COR_RECEIVED, A.ERR_COR_SOURCE, source);
      return this.isSet(A.CORRECTABLE_REPORTING_ENABLE);
    }
    const isFatal = message === ErrorMessage.FATAL;
    const isFirst = this.#first(
      A.ERR_FATAL_NONFATAL_RECEIVED,
      A.MULTIPLE_ERR_FATAL_NONFATAL_RECEIVED,
      A.ERR_FATAL_NONFATAL_SOURCE,
      source,
    );
    if (isFirst && isFatal) this.set(A.FIRST_UNCORRECTABLE_FATAL, 1);
    this.set(isFatal ? A.FATAL_MESSAGES_RECEIVED : A.NON_FATAL_MESSAGES_RECEIVED, 1);
    return this.isSet(isFatal ? A.FATAL_REPORTING_ENABLE : A.NON_FATAL_REPORTING_ENABLE);
  }

  protected override wire(): void {
    if (this.#control !== this) {
      for (const at of [UNCORRECTABLE_MASK, UNCORRECTABLE_SEVERITY, CORRECTABLE_MASK]) {
        this.file.withholdBits(this.offset + at, -1);
      }
    }
    if (!this.#isRoot) this.withhold(...ROOT_COMMANDS);
  }

  /** Notes a message of one kind and, of the first, where it came from. */
  #first(received: Field, multiple: Field, from: Field, source: number): boolean {
    const isFirst = !this.isSet(received);
    this.set(isFirst ? received : multiple, 1);
    if (isFirst) this.set(from, source);
    return isFirst;
  }

  #bit(register: number, error: number): boolean {
    return ((this.file.read32(this.offset + register) >>> error) & 1) !== 0;
  }

  #raise(register: number, error: number): void {
    this.file.words[(this.offset + register) / 4]! |= 1 << error;
  }
}

/** Whether an error is fatal in a function that has no severities to be programmed. */
export function isFatalByDefault(error: number): boolean {
  const name = Object.entries(UncorrectableError).find(([, n]) => n === error)?.[0];
  return name !== undefined && `SEVERITY_${name}` in POWER_ON;
}
