/**
 * What a function does about an error that it has found: what it remembers, and which message it sends to the root
 * complex. With role-based error reporting, an error that its discoverer can leave to somebody else to act upon is advisory.
 */
import { CorrectableError, ErrorMessage, PCIE_CAPABILITY, UncorrectableError } from '../spec/index.ts';
import { type AerCapability, isFatalByDefault } from './aer.ts';
import type { PciExpressCapability } from './pci-express.ts';

export interface FoundError {
  /** One of `UncorrectableError`. */
  readonly error: number;
  /** The words of the TLP's header in which it was found. */
  readonly header: ArrayLike<number> | null;
  /** It is somebody else's to act upon: the requester's of a non-posted request, for instance. */
  readonly advisory: boolean;
}

/** The parts of a function that errors touch. */
export interface ErrorRegisters {
  readonly pciExpress: PciExpressCapability;
  readonly aer: AerCapability | null;
  /** SERR# Enable of the Command register. */
  readonly serrEnabled: boolean;
}

/** Remembers the error. Gives the message code to send, or `ErrorMessage.NONE`. */
export function reportError(
  { error, header, advisory }: FoundError,
  { pciExpress, aer, serrEnabled }: ErrorRegisters,
): number {
  const P = PCIE_CAPABILITY;
  const isFatal = aer === null ? isFatalByDefault(error) : aer.isFatal(error);
  const isUnsupported = error === UncorrectableError.UNSUPPORTED_REQUEST;
  if (isUnsupported) pciExpress.note(P.UNSUPPORTED_REQUEST_DETECTED);
  const mayTell = !isUnsupported || pciExpress.reports(P.UNSUPPORTED_REQUEST_ENABLE);
  if (advisory && !isFatal) {
    pciExpress.note(P.CORRECTABLE_ERROR_DETECTED);
    if (aer !== null && !aer.logCorrectable(CorrectableError.ADVISORY_NON_FATAL)) return ErrorMessage.NONE;
    aer?.log(error, header);
    return mayTell && pciExpress.reports(P.CORRECTABLE_ERROR_ENABLE) ? ErrorMessage.CORRECTABLE : ErrorMessage.NONE;
  }
  pciExpress.note(isFatal ? P.FATAL_ERROR_DETECTED : P.NON_FATAL_ERROR_DETECTED);
  if (aer !== null && !aer.log(error, header)) return ErrorMessage.NONE;
  const enable = isFatal ? P.FATAL_ERROR_ENABLE : P.NON_FATAL_ERROR_ENABLE;
  if (!serrEnabled && !(mayTell && pciExpress.reports(enable))) return ErrorMessage.NONE;
  return isFatal ? ErrorMessage.FATAL : ErrorMessage.NON_FATAL;
}
