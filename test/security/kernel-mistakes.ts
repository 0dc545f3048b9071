/**
 * Mistakes that kernels and hypervisors have made with IOMMUs: by what they are known, which test or scenario makes
 * them on a machine and shows what comes of it, and which one shows that our kernel does not make them. One that
 * cannot be made here has the reason.
 */

/** The title of a test in a file below `test/`, as it stands there; or the name of a scenario. */
export type Place = readonly [file: string, title: string] | string;

export interface KernelMistake {
  readonly what: string;
  readonly known: readonly string[];
  /** Where it is made: somebody pays for it. */
  readonly made?: readonly Place[];
  /** Where the same is done by our kernel, and nobody pays. */
  readonly avoided?: readonly Place[];
  /** Why there is nothing to make. */
  readonly reason?: string;
}

const STALE = 'security/kernel-stale.test.ts';
const TORN = 'security/kernel-torn.test.ts';
const LATE = 'security/kernel-late.test.ts';
const LEVELS = 'security/kernel-levels.test.ts';
const RESERVED = 'security/kernel-reserved.test.ts';
const QUARANTINE = 'security/kernel-quarantine.test.ts';
const INTERRUPTS = 'security/kernel-interrupts.test.ts';
const PROCESS = 'security/kernel-process-tables.test.ts';
const ROUTING = 'security/kernel-pasid-routing.test.ts';
const SCALABLE = 'kernel/scalable-tables.test.ts';
const REMAPPING = 'kernel/interrupt-remapping.test.ts';

const UNMAP: Place = [
  STALE,
  'translations at an unmap has given a page away that the device still writes; ours has not',
];
const REUSED_ID: Place = [
  STALE,
  'translations at a detach lets the next domain with the same id use them; ours does not',
];
const LEFT_ENTRY: Place = [
  STALE,
  'what leads to a domain lets the device walk tables that are somebody else’s memory; ours does not',
];
const FREED_TABLE: Place = [
  STALE,
  'the way to a table that it frees lets the device walk what its next owner writes; ours does not',
];
const KEEPS_RESERVED: Place = [
  RESERVED,
  'loses it to a kernel that does not know of it, or maps it only after the device’s entry; ours keeps it',
];
const BLOCKED: Place = [
  QUARANTINE,
  'gets nowhere under our kernel with %o: never used, after a driver, after a process',
];
const PHANTOM: Place = [
  QUARANTINE,
  'goes on where the kernel has routed it with its device and forgets it at the end; with ours it never gets anywhere',
];
const UNNAMED: Place = [
  INTERRUPTS,
  'on VT-d is raised by another where its entry names no source; not with our kernel',
];
const SHARED_TABLE: Place = [
  INTERRUPTS,
  'on AMD-Vi is raised by another where both share a table; not with our kernel',
];
const NEVER_FLUSHED: Place = [
  STALE,
  'has given a page away that the device writes by an address that it has translated; ours has not',
];
const FORMER: Place = [
  INTERRUPTS,
  'on $name is raised by its former device where the entry stays; not with our kernel',
];

export const MISTAKES: readonly KernelMistake[] = [
  {
    what: 'A page is freed before the flush that was put off',
    known: ['XSA-346'],
    made: ['02-stale-iotlb', '35-deferred-invalidation', UNMAP],
    avoided: [
      '35-deferred-invalidation',
      UNMAP,
      ['kernel/dma-api-lazy.test.ts', 'tables are kept until the flush, and so is memory that a driver shared.'],
      ['kernel/lifetime.test.ts', 'does not free a pinned page that its process has given up'],
    ],
  },
  {
    what: 'A device table entry changes and translations stay',
    known: ['XSA-442', 'CVE-2023-34326'],
    made: [REUSED_ID, LEFT_ENTRY],
    avoided: [REUSED_ID, LEFT_ENTRY],
  },
  {
    what: 'A flush is skipped, or small pages become a large one, while hardware knows the old table',
    known: ['XSA-275'],
    made: ['45-freed-table', FREED_TABLE],
    avoided: [
      '45-freed-table',
      FREED_TABLE,
      ['kernel/page-table.test.ts', 'keeps an emptied table until it is told that hardware has forgotten it'],
      ['kernel/page-table.test.ts', 'throws when it would map a page twice or cut a large one: its callers must know'],
    ],
  },
  {
    what: 'Tables are still in the CPU’s cache when a unit that does not snoop reads them',
    known: ['XSA-321'],
    reason:
      'No cache of a CPU holds stores back here: what the kernel writes is in memory at once, for whoever reads it.',
  },
  {
    what: 'A completion that comes too late is taken for that of the next command',
    known: ['XSA-373', 'CVE-2021-28692'],
    made: [[LATE, 'answers for the next page too, where the status word is the same: it is given away too early']],
    avoided: [
      [LATE, 'is too late for our kernel, which believes nothing of this unit any more and keeps both pages'],
      [LATE, 'has time enough where the kernel is patient: the pages are taken back one by one'],
    ],
  },
  {
    what: 'An entry is written in parts that hardware reads, or in a bad order',
    known: ['XSA-347', 'CVE-2026-45944'],
    made: [
      [TORN, 'on %s leads to page 0 of memory when its rights are there before its address'],
      [TORN, 'a context entry of VT-d is a programming error to the unit when P is taken away last'],
      [TORN, 'a context entry of VT-d leaves translations under another’s domain id behind: %s'],
      [TORN, 'a device table entry of AMD-Vi opens all of memory when it %s'],
    ],
    avoided: [
      [TORN, 'a request goes where it went before, or where it goes in the end, or nowhere'],
      [SCALABLE, 'become present with their last write, and lose P alone before anything else: %s'],
    ],
  },
  {
    what: 'Page tables that a device shares with the CPU are freed, and the unit is not told',
    known: ['CVE-2025-71202'],
    made: [
      [
        PROCESS,
        'reads what the next owner of a freed table leads it to, where nobody tells the unit; not where it is told',
      ],
    ],
    avoided: [
      [PROCESS, 'finds no way to tables of the kernel: in the upper half there are none'],
      [
        'kernel/address-space-fork.test.ts',
        'are told of a munmap before the frames are free and after the tables are changed',
      ],
    ],
  },
  {
    what: 'An invalidation waits for ever for a device that is gone',
    known: ['CVE-2026-43161', 'CVE-2026-43130'],
    made: [
      [LATE, 'never lets a wait behind its invalidation complete: a driver that waits for the status waits for ever'],
      [LATE, 'lets a wait behind its invalidation complete, although it has forgotten nothing'],
    ],
    avoided: [
      [LATE, 'costs our kernel a bounded time, and no other device anything'],
      ['kernel/late-devices.test.ts', 'ever, the operation fails, and other devices are served all the same.'],
    ],
  },
  {
    what: 'Tables have another height than the entry that leads to them says',
    known: ['XSA-445', 'CVE-2023-46835', 'XSA-390', 'XSA-311'],
    made: [
      [LEVELS, 'that says one level too few lets a device write the lowest table, and so map what it likes for others'],
      [LEVELS, 'that says one level too many makes a table of the memory that a device is given'],
      [LEVELS, 'with Mode %s has a page of the top table at one address'],
    ],
    avoided: [
      [LEVELS, 'finds the first and the last page that can be mapped, and neither at any address of another height'],
    ],
  },
  {
    what: 'Memory that firmware shares with a device is lost, for a moment or for good, or stays where the device is no more',
    known: ['XSA-378', 'XSA-400', 'CVE-2022-26358'],
    made: [
      KEEPS_RESERVED,
      [RESERVED, 'loses it for a moment when the device is moved in two steps, although both domains have the memory'],
    ],
    avoided: [
      KEEPS_RESERVED,
      [RESERVED, 'notices nothing of a driver of our kernel that comes, lends the device memory and goes'],
      ['kernel/reserved-memory.test.ts', 'keeps its device from programs, and no other one'],
      [
        'kernel/dma-api-addresses.test.ts',
        'is mapped by the default domain when there was no memory for that at boot.',
      ],
    ],
  },
  {
    what: 'A device with reserved memory is given back, and its entry goes on leading to tables that are freed',
    known: ['XSA-386', 'CVE-2021-28702'],
    made: [LEFT_ENTRY],
    avoided: [LEFT_ENTRY],
  },
  {
    what: 'An error on the way leaves reserved memory mapped in part',
    known: ['XSA-460', 'CVE-2024-31145'],
    avoided: [
      [RESERVED, 'notices nothing of an allocation that fails under a driver, wherever it fails'],
      ['kernel/reserved-memory.test.ts', 'costs its device everything when there is no memory for its tables'],
    ],
    reason: 'What was left mapped there, a guest could reach; here devices with reserved memory are never a program’s.',
  },
  {
    what: 'A domain id is used again while translations carry it',
    known: ['XSA-399', 'CVE-2022-26357'],
    made: [REUSED_ID],
    avoided: [
      REUSED_ID,
      ['kernel/driver-refusals.test.ts', 'are given out lowest first, none twice, and again when they come back.'],
    ],
  },
  {
    what: 'A device that is taken back can do DMA in the host’s memory',
    known: ['XSA-302', 'XSA-306', 'XSA-450', 'CVE-2023-46840'],
    made: [
      '38-deferred-dma',
      [QUARANTINE, 'writes the memory of others when the kernel puts it where the host’s own devices are'],
    ],
    avoided: ['38-deferred-dma', BLOCKED],
  },
  {
    what: 'A phantom function stays routed when its device is not',
    known: ['XSA-449', 'CVE-2023-46839'],
    made: [PHANTOM],
    avoided: [
      PHANTOM,
      [
        'kernel/amd.test.ts',
        'routes the id that requests carry together with the device, and finds the device of its faults.',
      ],
    ],
  },
  {
    what: 'An entry for an interrupt does not say who may raise it',
    known: ['XSA-49', 'CVE-2013-1952'],
    made: ['34-forged-interrupts', UNNAMED],
    avoided: [
      '34-forged-interrupts',
      UNNAMED,
      [REMAPPING, 'lets a device raise what it was given, and only this device'],
    ],
  },
  {
    what: 'Devices share a table of interrupts, or entries stay when their owner has gone',
    known: ['XSA-36', 'CVE-2013-0153'],
    made: [SHARED_TABLE, FORMER],
    avoided: [
      SHARED_TABLE,
      FORMER,
      [REMAPPING, 'blocks and records what a device writes that has no interrupt, or no longer'],
    ],
  },
  {
    what: 'A device has an error of the platform reach the CPU past interrupt remapping',
    known: ['XSA-59', 'CVE-2013-3495'],
    reason: 'Nothing but messages through the IOMMU reaches a CPU here: there are no system errors that become an NMI.',
  },
  {
    what: 'A kernel waits for a lock that it holds itself when it looks for the bridge above a device',
    known: ['XSA-467', 'CVE-2025-1713'],
    avoided: [[INTERRUPTS, 'get their interrupts, both at once, and nobody waits for ever']],
    reason:
      'Whose id the requests of a device carry is found once, when it is enumerated, and no lock is needed to know it.',
  },
  {
    what: 'Device-TLBs are never flushed',
    known: ['intel-staging/pKVM-IA#84'],
    made: [
      NEVER_FLUSHED,
      [
        'security/stale-device-tlb.test.ts',
        'goes on using what it holds when the IOMMU alone forgets: that is why it has to be told',
      ],
    ],
    avoided: [
      '04-device-tlb',
      NEVER_FLUSHED,
      [SCALABLE, 'are forgotten by device TLBs too, after the unit has forgotten them'],
    ],
  },
  {
    what: 'A request with a PASID ends at a peer whose registers have its address',
    known: ['Linux 201007ef'],
    made: [
      '46-pasid-is-no-address',
      [ROUTING, 'ends at a peer whose registers have its address, when its driver does not ask the kernel'],
    ],
    avoided: [
      '46-pasid-is-no-address',
      [ROUTING, 'is allowed only where every port on the way sends requests up (%s)'],
    ],
  },
];
