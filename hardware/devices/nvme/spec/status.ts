/** Status codes of completions: Status Code Type above, Status Code in the low byte. NVM Express Base 1.4, 4.6.1. */
export const Status = {
  SUCCESSFUL_COMPLETION: 0x000,
  INVALID_COMMAND_OPCODE: 0x001,
  INVALID_FIELD_IN_COMMAND: 0x002,
  DATA_TRANSFER_ERROR: 0x004,
  INTERNAL_ERROR: 0x006,
  COMMAND_ABORT_REQUESTED: 0x007,
  INVALID_NAMESPACE_OR_FORMAT: 0x00b,
  COMMAND_SEQUENCE_ERROR: 0x00c,
  PRP_OFFSET_INVALID: 0x013,
  LBA_OUT_OF_RANGE: 0x080,
  COMPLETION_QUEUE_INVALID: 0x100,
  INVALID_QUEUE_IDENTIFIER: 0x101,
  INVALID_QUEUE_SIZE: 0x102,
  ASYNCHRONOUS_EVENT_REQUEST_LIMIT_EXCEEDED: 0x105,
  INVALID_INTERRUPT_VECTOR: 0x108,
  INVALID_LOG_PAGE: 0x109,
  INVALID_QUEUE_DELETION: 0x10c,
  FEATURE_IDENTIFIER_NOT_SAVEABLE: 0x10d,
} as const;

export const STATUS_CODES = 0x100;

/** Both parts of a status, by the names of their fields. */
export function codesOf(status: number) {
  return { SC: status % STATUS_CODES, SCT: Math.floor(status / STATUS_CODES) };
}

/** The specification's name of a status in capitals, or its number. */
export function statusName(status: number): string {
  return Object.entries(Status).find(([, value]) => value === status)?.[0] ?? `status ${status.toString(16)}`;
}
