/** Advanced error reporting: which errors there are, and what a function remembers of them. */
import { type Access, bit, bits, type CodePoints, type FieldSpec, layout } from '../../../bits/index.ts';
import { at, EXTENDED_CAPABILITY_FIELDS } from './structure.ts';

/** Errors by which something is lost, by their bit. */
export const UncorrectableError = {
  DATA_LINK_PROTOCOL: 4,
  SURPRISE_DOWN: 5,
  POISONED_TLP: 12,
  FLOW_CONTROL_PROTOCOL: 13,
  COMPLETION_TIMEOUT: 14,
  COMPLETER_ABORT: 15,
  UNEXPECTED_COMPLETION: 16,
  RECEIVER_OVERFLOW: 17,
  MALFORMED_TLP: 18,
  ECRC: 19,
  UNSUPPORTED_REQUEST: 20,
  ACS_VIOLATION: 21,
  UNCORRECTABLE_INTERNAL: 22,
  MULTICAST_BLOCKED: 23,
  ATOMIC_EGRESS_BLOCKED: 24,
  PREFIX_BLOCKED: 25,
  POISONED_EGRESS_BLOCKED: 26,
  DMWR_EGRESS_BLOCKED: 27,
  IDE_CHECK_FAILED: 28,
  TRANSLATION_EGRESS_BLOCKED: 31,
} as const;

/** Errors from which hardware recovers, by their bit. */
export const CorrectableError = {
  RECEIVER: 0,
  BAD_TLP: 6,
  BAD_DLLP: 7,
  REPLAY_NUM_ROLLOVER: 8,
  REPLAY_TIMER_TIMEOUT: 12,
  ADVISORY_NON_FATAL: 13,
  CORRECTED_INTERNAL: 14,
  HEADER_LOG_OVERFLOW: 15,
} as const;

/** Message codes by which a function tells the root complex. */
export const ErrorMessage = { NONE: 0, CORRECTABLE: 0x30, NON_FATAL: 0x31, FATAL: 0x33 } as const;

type Each<P extends string, E> = { readonly [K in keyof E & string as `${P}_${K}`]: FieldSpec };

/** One bit for each error. */
function each<const P extends string, const E extends CodePoints>(prefix: P, errors: E, access: Access): Each<P, E> {
  const fields = Object.entries(errors).map(([name, n]) => [`${prefix}_${name}`, bit(n, access, prefix)] as const);
  return Object.fromEntries(fields) as Each<P, E>;
}

export const AER_CAPABILITY = layout('AER extended capability', 0x48 * 8, 'PCIe: AER extended capability structure', {
  ...EXTENDED_CAPABILITY_FIELDS,
  ...at(0x04, each('STATUS', UncorrectableError, 'RW1CS')),
  ...at(0x08, each('MASK', UncorrectableError, 'RWS')),
  ...at(0x0c, each('SEVERITY', UncorrectableError, 'RWS')),
  ...at(0x10, each('STATUS', CorrectableError, 'RW1CS')),
  ...at(0x14, each('MASK', CorrectableError, 'RWS')),
  // Advanced Error Capabilities and Control
  ...at(0x18, {
    FIRST_ERROR_POINTER: bits(4, 0, 'ROS', 'the error that the header log is of, while its status bit is 1'),
    ECRC_GENERATION_CAPABLE: bit(5, 'RO', 'not modelled'),
    ECRC_GENERATION_ENABLE: bit(6, 'RO', 'not modelled'),
    ECRC_CHECK_CAPABLE: bit(7, 'RO', 'not modelled'),
    ECRC_CHECK_ENABLE: bit(8, 'RO', 'not modelled'),
    PREFIX_LOG_PRESENT: bit(11, 'ROS', 'the prefix log is of the same TLP as the header log'),
  }),
  ...at(0x1c, {
    HEADER_LOG_0: bits(31, 0, 'ROS', 'first word of the header of the TLP'),
    HEADER_LOG_1: bits(63, 32, 'ROS', 'second word'),
    HEADER_LOG_2: bits(95, 64, 'ROS', 'third word'),
    HEADER_LOG_3: bits(127, 96, 'ROS', 'fourth word'),
  }),
  // Root Error Command, Root Error Status and Error Source Identification: root ports and event collectors
  ...at(0x2c, {
    CORRECTABLE_REPORTING_ENABLE: bit(0, 'RW', 'interrupts for ERR_COR'),
    NON_FATAL_REPORTING_ENABLE: bit(1, 'RW', 'interrupts for ERR_NONFATAL'),
    FATAL_REPORTING_ENABLE: bit(2, 'RW', 'interrupts for ERR_FATAL'),
  }),
  ...at(0x30, {
    ERR_COR_RECEIVED: bit(0, 'RW1CS', 'from below or from the port itself'),
    MULTIPLE_ERR_COR_RECEIVED: bit(1, 'RW1CS', 'and another since'),
    ERR_FATAL_NONFATAL_RECEIVED: bit(2, 'RW1CS', 'from below or from the port itself'),
    MULTIPLE_ERR_FATAL_NONFATAL_RECEIVED: bit(3, 'RW1CS', 'and another since'),
    FIRST_UNCORRECTABLE_FATAL: bit(4, 'RW1CS', 'the first of them was fatal'),
    NON_FATAL_MESSAGES_RECEIVED: bit(5, 'RW1CS', 'at least one'),
    FATAL_MESSAGES_RECEIVED: bit(6, 'RW1CS', 'at least one'),
    INTERRUPT_MESSAGE_NUMBER: bits(31, 27, 'RO', 'vector of the interrupt'),
  }),
  ...at(0x34, {
    ERR_COR_SOURCE: bits(15, 0, 'ROS', 'requester id of the first ERR_COR'),
    ERR_FATAL_NONFATAL_SOURCE: bits(31, 16, 'ROS', 'requester id of the first ERR_FATAL or ERR_NONFATAL'),
  }),
  ...at(0x38, { PREFIX_LOG_0: bits(31, 0, 'ROS', 'the first end-end prefix of the TLP') }),
});
