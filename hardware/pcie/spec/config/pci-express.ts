/** The PCI Express capability, which says what kind of function this is and what it and its link may do. */
import { bit, bits, layout } from '../../../bits/index.ts';
import { at, CAPABILITY_FIELDS } from './structure.ts';

/** What kind of function or port this is. */
export const PortType = {
  ENDPOINT: 0,
  LEGACY_ENDPOINT: 1,
  ROOT_PORT: 4,
  UPSTREAM_PORT: 5,
  DOWNSTREAM_PORT: 6,
  PCIE_TO_PCI_BRIDGE: 7,
  PCI_TO_PCIE_BRIDGE: 8,
  INTEGRATED_ENDPOINT: 9,
  ROOT_COMPLEX_EVENT_COLLECTOR: 10,
} as const;

/** Maximum sizes of payload and read request: code n is 128 << n bytes. */
export const SizeCode = { B128: 0, B256: 1, B512: 2, B1024: 3, B2048: 4, B4096: 5 } as const;

export const PCIE_CAPABILITY = layout('PCI Express capability', 0x3c * 8, 'PCIe: PCI Express capability structure', {
  ...CAPABILITY_FIELDS,
  ...at(0x02, {
    VERSION: bits(3, 0, 'RO', '2'),
    PORT_TYPE: bits(7, 4, 'RO', 'what kind of function this is', PortType),
    SLOT_IMPLEMENTED: bit(8, 'RO', 'a slot is behind the port'),
    INTERRUPT_MESSAGE_NUMBER: bits(13, 9, 'RO', 'vector of what the port itself reports'),
  }),
  // Device Capabilities
  ...at(0x04, {
    PAYLOAD_SUPPORTED: bits(2, 0, 'RO', 'largest payload that the function can handle', SizeCode),
    PHANTOM_FUNCTIONS_SUPPORTED: bits(4, 3, 'RO', 'function numbers that serve as tag bits'),
    EXTENDED_TAG_SUPPORTED: bit(5, 'RO', '8-bit tags'),
    L0S_ACCEPTABLE_LATENCY: bits(8, 6, 'RO', 'no link sleeps'),
    L1_ACCEPTABLE_LATENCY: bits(11, 9, 'RO', 'no link sleeps'),
    ROLE_BASED_ERRORS: bit(15, 'RO', 'role-based error reporting'),
    FLR_SUPPORTED: bit(28, 'RO', 'function-level reset'),
    TEE_IO_SUPPORTED: bit(30, 'RO', 'trusted execution'),
  }),
  // Device Control
  ...at(0x08, {
    CORRECTABLE_ERROR_ENABLE: bit(0, 'RW', 'sends ERR_COR'),
    NON_FATAL_ERROR_ENABLE: bit(1, 'RW', 'sends ERR_NONFATAL'),
    FATAL_ERROR_ENABLE: bit(2, 'RW', 'sends ERR_FATAL'),
    UNSUPPORTED_REQUEST_ENABLE: bit(3, 'RW', 'sends messages about unsupported requests'),
    RELAXED_ORDERING_ENABLE: bit(4, 'RW', 'may set Relaxed Ordering in what it sends'),
    MAX_PAYLOAD: bits(7, 5, 'RW', 'largest payload that the function may send or receive', SizeCode),
    EXTENDED_TAG_ENABLE: bit(8, 'RW', 'may use 8-bit tags'),
    PHANTOM_FUNCTIONS_ENABLE: bit(9, 'RO', 'function numbers that serve as tag bits'),
    AUXILIARY_POWER_ENABLE: bit(10, 'RO', 'no auxiliary power'),
    NO_SNOOP_ENABLE: bit(11, 'RW', 'may set No Snoop in what it sends'),
    MAX_READ_REQUEST: bits(14, 12, 'RW', 'largest read that the function may request', SizeCode),
    INITIATE_FLR: bit(15, 'WO', '1 resets the function, when it supports that'),
  }),
  // Device Status
  ...at(0x0a, {
    CORRECTABLE_ERROR_DETECTED: bit(0, 'RW1C', 'whether or not it is reported'),
    NON_FATAL_ERROR_DETECTED: bit(1, 'RW1C', 'whether or not it is reported'),
    FATAL_ERROR_DETECTED: bit(2, 'RW1C', 'whether or not it is reported'),
    UNSUPPORTED_REQUEST_DETECTED: bit(3, 'RW1C', 'received a request that it does not support'),
    AUXILIARY_POWER_DETECTED: bit(4, 'RO', 'no auxiliary power'),
    TRANSACTIONS_PENDING: bit(5, 'RO', 'a request of the function is not completed'),
  }),
  // Link Capabilities, Control and Status
  ...at(0x0c, {
    MAX_LINK_SPEED: bits(3, 0, 'RO', 'generation'),
    MAX_LINK_WIDTH: bits(9, 4, 'RO', 'lanes'),
    ASPM_SUPPORT: bits(11, 10, 'RO', 'no link sleeps'),
    SURPRISE_DOWN_REPORTING_CAPABLE: bit(
      19,
      'RO',
      'reports Surprise Down; a slot with HOT_PLUG_SURPRISE has none to report',
    ),
    DATA_LINK_ACTIVE_CAPABLE: bit(20, 'RO', 'DATA_LINK_ACTIVE tells the state of the link'),
    PORT_NUMBER: bits(31, 24, 'RO', 'of the port in its component'),
  }),
  ...at(0x10, {
    ASPM_CONTROL: bits(1, 0, 'RW', 'no link sleeps'),
    READ_COMPLETION_BOUNDARY: bit(3, 'RW', '0: 64 bytes, 1: 128 bytes'),
    LINK_DISABLE: bit(4, 'RW', 'the link of this downstream port is down'),
    RETRAIN_LINK: bit(5, 'WO', 'takes no time'),
    COMMON_CLOCK: bit(6, 'RW', 'no effect'),
  }),
  ...at(0x12, {
    LINK_SPEED: bits(3, 0, 'RO', 'current generation'),
    LINK_WIDTH: bits(9, 4, 'RO', 'current lanes'),
    LINK_TRAINING: bit(11, 'RO', 'takes no time'),
    DATA_LINK_ACTIVE: bit(13, 'RO', 'the link is up'),
  }),
  // Slot Capabilities (PCIe 7.5.3.9), Control (7.5.3.10) and Status (7.5.3.11)
  ...at(0x14, {
    ATTENTION_BUTTON_PRESENT: bit(0, 'RO', 'no button'),
    POWER_CONTROLLER_PRESENT: bit(1, 'RO', 'always has power'),
    MRL_SENSOR_PRESENT: bit(2, 'RO', 'no latch'),
    ATTENTION_INDICATOR_PRESENT: bit(3, 'RO', 'no indicator'),
    POWER_INDICATOR_PRESENT: bit(4, 'RO', 'no indicator'),
    HOT_PLUG_SURPRISE: bit(5, 'RO', 'what is in the slot may go without notice'),
    HOT_PLUG_CAPABLE: bit(6, 'RO', 'something may come or go while the machine runs'),
    SLOT_POWER_LIMIT: bits(14, 7, 'RO', 'power is not modelled'),
    SLOT_POWER_LIMIT_SCALE: bits(16, 15, 'RO', 'power is not modelled'),
    INTERLOCK_PRESENT: bit(17, 'RO', 'no electromechanical interlock'),
    NO_COMMAND_COMPLETED: bit(18, 'RO', 'commands take no time, and none is reported as completed'),
    PHYSICAL_SLOT_NUMBER: bits(31, 19, 'RO', 'of the slot in the machine'),
  }),
  ...at(0x18, {
    ATTENTION_BUTTON_PRESSED_ENABLE: bit(0, 'RO', 'no button'),
    POWER_FAULT_ENABLE: bit(1, 'RO', 'power is not modelled'),
    MRL_SENSOR_CHANGED_ENABLE: bit(2, 'RO', 'no latch'),
    PRESENCE_DETECT_CHANGED_ENABLE: bit(3, 'RW', 'PRESENCE_DETECT_CHANGED interrupts'),
    COMMAND_COMPLETED_ENABLE: bit(4, 'RO', 'none is reported'),
    HOT_PLUG_INTERRUPT_ENABLE: bit(5, 'RW', 'events of the slot interrupt'),
    ATTENTION_INDICATOR_CONTROL: bits(7, 6, 'RO', 'no indicator'),
    POWER_INDICATOR_CONTROL: bits(9, 8, 'RO', 'no indicator'),
    POWER_CONTROLLER_CONTROL: bit(10, 'RO', 'always has power'),
    INTERLOCK_CONTROL: bit(11, 'RO', 'no electromechanical interlock'),
    DATA_LINK_STATE_CHANGED_ENABLE: bit(12, 'RW', 'DATA_LINK_STATE_CHANGED interrupts'),
  }),
  ...at(0x1a, {
    ATTENTION_BUTTON_PRESSED: bit(0, 'RO', 'no button'),
    POWER_FAULT_DETECTED: bit(1, 'RO', 'power is not modelled'),
    MRL_SENSOR_CHANGED: bit(2, 'RO', 'no latch'),
    PRESENCE_DETECT_CHANGED: bit(3, 'RW1C', 'PRESENCE_DETECT has changed'),
    COMMAND_COMPLETED: bit(4, 'RO', 'none is reported'),
    MRL_SENSOR: bit(5, 'RO', 'no latch'),
    PRESENCE_DETECT: bit(6, 'RO', 'something is in the slot; always 1 below a port without one'),
    INTERLOCK: bit(7, 'RO', 'no electromechanical interlock'),
    DATA_LINK_STATE_CHANGED: bit(8, 'RW1C', 'DATA_LINK_ACTIVE has changed'),
  }),
  // Root Control and Status
  ...at(0x1c, {
    SYSTEM_ERROR_ON_CORRECTABLE: bit(0, 'RW', 'of anything below'),
    SYSTEM_ERROR_ON_NON_FATAL: bit(1, 'RW', 'of anything below'),
    SYSTEM_ERROR_ON_FATAL: bit(2, 'RW', 'of anything below'),
    PME_INTERRUPT_ENABLE: bit(3, 'RW', 'power management events are not modelled'),
  }),
  // Device Capabilities 2
  ...at(0x24, {
    COMPLETION_TIMEOUT_RANGES: bits(3, 0, 'RO', 'ranges that can be chosen'),
    COMPLETION_TIMEOUT_DISABLE_SUPPORTED: bit(4, 'RO', 'need not give up'),
    ARI_FORWARDING_SUPPORTED: bit(5, 'RO', 'the port reaches functions 8 to 255'),
    ATOMIC_ROUTING_SUPPORTED: bit(6, 'RO', 'the port forwards atomic operations'),
    ATOMIC_COMPLETER_32: bit(7, 'RO', 'completes atomic operations of 32 bits'),
    ATOMIC_COMPLETER_64: bit(8, 'RO', 'completes atomic operations of 64 bits'),
    CAS_COMPLETER_128: bit(9, 'RO', 'completes compare-and-swap of 128 bits'),
    LTR_SUPPORTED: bit(11, 'RO', 'latency tolerance reporting'),
    TPH_COMPLETER_SUPPORTED: bits(13, 12, 'RO', 'processing hints'),
    TEN_BIT_TAG_COMPLETER: bit(16, 'RO', 'completes requests with 10-bit tags'),
    TEN_BIT_TAG_REQUESTER: bit(17, 'RO', 'can use 10-bit tags'),
    PREFIX_SUPPORTED: bit(21, 'RO', 'end-end TLP prefixes'),
    MAX_PREFIXES: bits(23, 22, 'RO', 'end-end TLP prefixes; 0: 4'),
  }),
  // Device Control 2
  ...at(0x28, {
    COMPLETION_TIMEOUT_VALUE: bits(3, 0, 'RW', 'the range chosen'),
    COMPLETION_TIMEOUT_DISABLE: bit(4, 'RW', 'never gives up'),
    ARI_FORWARDING_ENABLE: bit(5, 'RW', 'the port takes the device number as a part of the function number'),
    ATOMIC_REQUESTER_ENABLE: bit(6, 'RW', 'may send atomic operations'),
    ATOMIC_EGRESS_BLOCKING: bit(7, 'RW', 'the port lets no atomic operation out'),
    ID_ORDERING_REQUEST_ENABLE: bit(8, 'RW', 'may set ID-Based Ordering in requests'),
    ID_ORDERING_COMPLETION_ENABLE: bit(9, 'RW', 'may set ID-Based Ordering in completions'),
    LTR_ENABLE: bit(10, 'RW', 'no effect'),
    TEN_BIT_TAG_ENABLE: bit(12, 'RW', 'may use 10-bit tags'),
    PREFIX_EGRESS_BLOCKING: bit(15, 'RW', 'the port lets no TLP with an end-end prefix out'),
  }),
  // Link Capabilities 2, Control 2 and Status 2
  ...at(0x2c, { LINK_SPEEDS: bits(7, 1, 'RO', 'bit n: generation n + 1') }),
  ...at(0x30, { TARGET_LINK_SPEED: bits(3, 0, 'RW', 'no effect') }),
  ...at(0x32, { FLIT_MODE: bit(10, 'RO', 'the link works in flit mode') }),
});
