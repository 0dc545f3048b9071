/** What Identify and Get Log Page return. Fields that are not declared are 0 here: they say that something is not there. */
import { field, flag, layout } from '../../../bits/index.ts';

const NVME = 'NVM Express Base 1.4';

export const IDENTIFY_BYTES = 4096;

const byte = (at: number, doc: string) => field(at * 8 + 7, at * 8, doc);
const word = (at: number, doc: string) => field(at * 8 + 15, at * 8, doc);
const dword = (at: number, doc: string) => field(at * 8 + 31, at * 8, doc);
const qword = (at: number, doc: string) => field(at * 8 + 63, at * 8, doc);

export const IDENTIFY_CONTROLLER = layout('Identify Controller', IDENTIFY_BYTES * 8, `${NVME}, 5.15.2.2`, {
  VID: word(0, 'PCI Vendor ID'),
  SSVID: word(2, 'PCI Subsystem Vendor ID'),
  RAB: byte(72, 'Recommended Arbitration Burst'),
  MDTS: byte(77, 'Maximum Data Transfer Size: pages of CAP.MPSMIN, a power of two'),
  CNTLID: word(78, 'Controller ID'),
  VER: dword(80, 'Version'),
  OAES: dword(92, 'Optional Asynchronous Events Supported; bit 8: Namespace Attribute Notices'),
  CNTRLTYPE: byte(111, 'Controller Type: 1 is an I/O controller'),
  OACS: word(256, 'Optional Admin Command Support'),
  ACL: byte(258, 'Abort Command Limit, 0’s based'),
  AERL: byte(259, 'Asynchronous Event Request Limit, 0’s based'),
  FRMW: byte(260, 'Firmware Updates: bit 0 slot 1 is read only, 3:1 number of slots'),
  LPA: byte(261, 'Log Page Attributes; bit 2: extended data'),
  ELPE: byte(262, 'Error Log Page Entries, 0’s based'),
  WCTEMP: word(266, 'Warning Composite Temperature Threshold, in Kelvin'),
  CCTEMP: word(268, 'Critical Composite Temperature Threshold'),
  SQES: byte(512, 'Submission Queue Entry Size: 3:0 required, 7:4 maximum'),
  CQES: byte(513, 'Completion Queue Entry Size'),
  NN: dword(516, 'Number of Namespaces'),
  ONCS: word(520, 'Optional NVM Command Support; bit 2: Dataset Management, bit 3: Write Zeroes'),
  VWC: byte(525, 'Volatile Write Cache'),
  SGLS: dword(536, 'SGL Support'),
});

/** Texts of Identify Controller, padded with spaces, SUBNQN with zeros: first byte and length. */
export const CONTROLLER_TEXTS = {
  /** Serial Number. */
  SN: [4, 20],
  /** Model Number. */
  MN: [24, 40],
  /** Firmware Revision. */
  FR: [64, 8],
  /** NVM Subsystem NVMe Qualified Name. */
  SUBNQN: [768, 256],
} as const;

export const IDENTIFY_NAMESPACE = layout('Identify Namespace', IDENTIFY_BYTES * 8, `${NVME}, 5.15.2.1`, {
  NSZE: qword(0, 'Namespace Size in logical blocks'),
  NCAP: qword(8, 'Namespace Capacity'),
  NUSE: qword(16, 'Namespace Utilization'),
  NSFEAT: byte(24, 'Namespace Features'),
  NLBAF: byte(25, 'Number of LBA Formats, 0’s based'),
  FLBAS: byte(26, 'Formatted LBA Size: 3:0 which LBA format'),
  DLFEAT: byte(33, 'Deallocate Logical Block Features: 2:0 what they read (1: zeros), 3 Write Zeroes may deallocate'),
  NGUID_HIGH: qword(104, 'Namespace Globally Unique Identifier, first half'),
  NGUID_LOW: qword(112, 'Namespace Globally Unique Identifier, second half'),
  EUI64: qword(120, 'IEEE Extended Unique Identifier'),
  LBAF0_MS: field(128 * 8 + 15, 128 * 8, 'LBA Format 0: Metadata Size'),
  LBAF0_LBADS: field(128 * 8 + 23, 128 * 8 + 16, 'LBA Format 0: LBA Data Size, a power of two'),
});

/** Identifiers of Identify with CNS 3: a type, a length, the identifier 4 bytes further on. */
export const NamespaceIdentifier = { EUI64: 1, NGUID: 2 } as const;

export const LogPage = { ERROR_INFORMATION: 1, SMART: 2, FIRMWARE_SLOT: 3, CHANGED_NAMESPACES: 4 } as const;

export const ERROR_INFORMATION = layout('Error Information', 512, `${NVME}, 5.14.1.1`, {
  ERROR_COUNT: qword(0, 'Error Count; 0 where there is no entry'),
  SQID: word(8, 'Submission Queue ID'),
  CMDID: word(10, 'Command ID'),
  STATUS: word(12, 'Status Field of the completion, with its Phase Tag'),
  LBA: qword(16, 'first LBA of the command'),
  NSID: dword(24, 'Namespace'),
});

export const SMART = layout('SMART / Health Information', 4096, `${NVME}, 5.14.1.2`, {
  COMPOSITE_TEMPERATURE: field(23, 8, 'in Kelvin'),
  AVAILABLE_SPARE: byte(3, 'in percent'),
  AVAILABLE_SPARE_THRESHOLD: byte(4, 'in percent'),
  DATA_UNITS_READ: qword(32, 'in thousands of 512 bytes, rounded up'),
  DATA_UNITS_WRITTEN: qword(48, 'in thousands of 512 bytes, rounded up'),
  HOST_READ_COMMANDS: qword(64, 'Host Read Commands'),
  HOST_WRITE_COMMANDS: qword(80, 'Host Write Commands'),
});

export const FIRMWARE_SLOT = layout('Firmware Slot Information', 4096, `${NVME}, 5.14.1.3`, {
  AFI_ACTIVE: field(2, 0, 'Active Firmware Info: slot'),
});

/** Where the revision of slot 1 stands in it: first byte and length. */
export const FIRMWARE_REVISION_1 = [8, 8] as const;

export const CHANGED_NAMESPACES_BYTES = 4096;

/** Of ERROR_INFORMATION.STATUS, as in a completion. */
export const STATUS_FIELD = layout('Status Field', 32, `${NVME}, 4.6.1`, {
  P: flag(0, 'Phase Tag'),
  SC: field(8, 1, 'Status Code'),
  SCT: field(11, 9, 'Status Code Type'),
});
