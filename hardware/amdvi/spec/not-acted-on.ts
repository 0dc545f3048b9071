/**
 * What is declared here but what no model acts on, by the reason. Registers, structures and commands stand by their
 * names, fields as NAME.FIELD; `*` stands for anything. A name stands for all fields, too. Where a field does act, as
 * reserved while its feature is 0, or because its encoding is checked, the reason says what of it does not.
 */
import { reasonFor } from '../../bits/index.ts';

export const NOT_ACTED_ON: Readonly<Record<string, readonly string[]>> = {
  'system management interrupts pass: filters hold what software writes, and lock': [
    'Control.SmiFEn',
    'Control.SmiFLogEn',
    'SMI Filter *.SmiDID',
    'SMI Filter *.SmiDV',
  ],
  'memory access routing and control does not exist: apertures hold what software writes': ['MARC *', 'Control.MarcEn'],
  'registers of the implementation: this one has nothing for them to tell or to do': ['DSFX', 'DSCX', 'DSSX'],
  'no optimization is left out when it is 0': ['Performance Optimization Control'],
  'virtual IOMMUs do not exist': [
    'vIOMMU Status',
    'Control.vCmdEn',
    'Control.vIommuEn',
    'Control.GstBufferTRPMode',
    'DTE.vImuEn',
    'DTE.GDeviceID',
    'DTE.GuestID',
    'Extended Feature.VMGuardIoSup',
    'Extended Feature.VMTableSize',
  ],
  'secure nested paging and what it brings do not exist': [
    'Control.SNPAVICEn',
    'DTE.HPTMode',
    'DTE.SATS',
    'Extended Feature 2.SEVSNPIOSup',
  ],
  'pages do not migrate between tiers of memory': ['Control.TMPMEn'],
  'no HyperTransport: nothing tunnels through it, and reads of the unit have no attributes of it': [
    'Control.HtTunEn',
    'Control.PassPW',
    'Control.ResPassPW',
    'Control.Coherent',
    'Control.Isoc',
    'Capability Header.HtTunnel',
    'Misc Info 0.HtAtsResv',
  ],
  'the special ranges of HyperTransport, but for the interrupt range, are ordinary addresses': [
    'DTE.IoCtl',
    'DTE.SysMgt',
    'Extended Feature 2.HtRangeIgnore',
  ],
  'all accesses snoop where nothing says otherwise, and translations carry no snoop attribute': [
    'DTE.SD',
    'DTE.SnoopAttribute',
    'Extended Feature.SnoopAttrSup',
    'Extended Feature.AttrFWSup',
  ],
  'a hint that changes nothing in this unit': ['DTE.Cache'],
  'LINT0 and LINT1 messages are none of PCI Express': ['DTE.Lint0Pass', 'DTE.Lint1Pass'],
  'interrupts have no end that the unit sees': ['IRTE (*).RqEoi'],
  'the doorbell of a processor has nobody behind it': [
    'IRTE (guest*).GAPPIDis',
    'Control.GAPPIEn',
    'Extended Feature 2.GAPPIDisSup',
  ],
  'it is delivered as the device sent it': [
    'interrupt address.RH',
    'interrupt data.TriggerMode',
    'interrupt data.Level',
  ],
  'that an address lies in FEEx_xxxxh is known before it is read as an interrupt': ['interrupt address.Identifier'],
  'the destination mode is what the interrupt entry says': ['Extended Feature.ForcePhyDestSup'],
  'DTE.HAD, with HASup and HDSup, decides alone whether flags are kept: drivers leave this field 0': [
    'Control.HADUpdate',
  ],
  'no request is aborted for its privilege alone': ['Control.PrivAbrtEn'],
  'NX and US of guest entries count in every unit': ['Extended Feature.NXSup', 'Extended Feature.USSup'],
  'GDUpdateDis takes writes in every unit': ['Extended Feature.V2HDDisSup'],
  'a device-TLB is told of addresses only: no source gives the values': ['INVALIDATE_IOTLB_PAGES.Type'],
  'commands are carried out one after the other': ['COMPLETION_WAIT.F'],
  'no source says what it does': ['Control.CRW', 'Control.SlfWBDis', 'Counter Source.CountUnits'],
  'a malformed page request cannot be made here': ['PPR Log Entry.RZ'],
  'memory types do not exist': ['guest PTE.PWT', 'guest PTE.PCD', 'guest *.PAT'],
  'an invalidation does not spare what is global': ['guest PTE.G'],
  'it is reported, and nothing depends on it': [
    'Misc Info 0.GVAsize',
    'Misc Info 0.PAsize',
    'Misc Info 0.VAsize',
    'Range',
  ],
  'accesses to it are counted, and its value has no effect': ['Reserved Register'],
  'a copy of a word of configuration space, which is read whole': [
    'MSI Vector 0',
    'MSI Capability Header.CapID',
    'MSI Capability Header.CapPtr',
    'MSI Capability Header.MultMessCap',
    'MSI Capability Header.Msi64bit',
  ],
  'the last capability: it is 0': ['MSI Mapping Capability Header.CapPtr'],
  'entries of 128 bits are told apart by GuestMode of IRTE (guest), which is the same bit': [
    'IRTE (128 bits).GuestMode',
    'IRTE (128 bits, XT).GuestMode',
    'IRTE (guest, XT).GuestMode',
  ],
};

/** Why no model acts on a row, or on all of it; `undefined` where nothing is known against it. */
export function whyNotActedOn(row: string): string | undefined {
  return reasonFor(NOT_ACTED_ON, row);
}
