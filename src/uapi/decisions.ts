/**
 * What the proposal leaves to be decided, and how it is decided here: for `docs/uapi.md`. Where the code posted in 2021 has an
 * answer for the proposal's own semantics it is that one, otherwise that of Linux now; where there is neither the reason says
 * why.
 */
export interface Decision {
  readonly question: string;
  readonly answer: string;
  readonly reason: string;
}

export const DECISIONS: readonly Decision[] = [
  {
    question: 'What is the type and base of the commands, and how do structures look?',
    answer:
      'Type `;`, base 100; `argsz` and `flags` first, members of their natural alignment, padding explicit and 0.',
    reason: 'Those of the code of 2021; the layout follows the rules that its review asked for.',
  },
  {
    question: 'What is an unknown command?',
    answer: '-ENOTTY.',
    reason: 'The code of 2021 says -EINVAL, which a program cannot tell from a bad argument; Linux now says -ENOTTY.',
  },
  {
    question: 'What is a structure that is longer than the kernel knows?',
    answer: '-E2BIG if anything behind what is known is not 0; otherwise as if it were not there.',
    reason: 'The rule of extensible structures, as the review of 2021 asked for it.',
  },
  {
    question: 'Does an attach replace where a device’s requests go?',
    answer: 'Never: -EBUSY, or -EINVAL for the same space. Between a detach and the next attach DMA is blocked.',
    reason: 'The code of 2021.',
  },
  {
    question: 'May a device be bound to several descriptors?',
    answer: 'No: one at a time, and all devices of a group to the same one.',
    reason:
      'Version 2 would allow it, but a group is one security context; the code of 2021 and Linux now agree on one.',
  },
  {
    question: 'Can a space be filled before a device is attached?',
    answer: 'In version 2. In version 1 every command but the attach is -EINVAL until then.',
    reason:
      'Version 1 says so. Version 2 pins "possibly as late as the first attach", and its dummy root is never attached: the code ' +
      'of 2021 refuses it, and could not have a dummy root.',
  },
  {
    question: 'What ends version 1’s mappings?',
    answer: 'The last device that is detached.',
    reason: 'What a space is it becomes by its first attach; without one it is a bare number again.',
  },
  {
    question: 'How does a device get to a nested space?',
    answer: 'It has to be attached to the parent, and stays attached there; the innermost space translates.',
    reason:
      'Both examples of the proposal. In version 2 a dummy parent is the exception, since nothing is attached to it.',
  },
  {
    question: 'What may change in a parent while spaces are merged of it?',
    answer: 'Everything. What it unmaps they lose first, before anything is unpinned; what it maps they gain.',
    reason:
      'The proposal discourages it and asks whether to forbid it; a table kept in step is safe and no harder to explain.',
  },
  {
    question: 'What is charged for a page that is mapped several times?',
    answer:
      'One page for each root that maps it, however often; nothing for nested spaces. What version 1 has registered is charged once, ' +
      'by the registration.',
    reason:
      'Pages are pinned and charged on the root; version 1 registers memory so that several roots do not charge it again.',
  },
  {
    question: 'What if the parent does not map what a nested space is to map?',
    answer: '-ENOENT, and nothing is mapped.',
    reason: 'As Linux now answers a copy whose source is not mapped as a whole.',
  },
  {
    question: 'What is a dummy root?',
    answer: 'An attribute of IOMMU_IOASID_ALLOC: a root that no device can be attached to.',
    reason: 'So that a forgotten attach to a parent stays an error instead of silently being a dummy.',
  },
  {
    question: 'When does a program learn that a unit does not have a format or an attribute?',
    answer: 'At the attach: -EINVAL. A format that the kernel does not know at all is -EOPNOTSUPP at once.',
    reason: 'A space belongs to a unit by its first attach only; as in the code of 2021.',
  },
  {
    question: 'Who is asked whether DMA snoops caches?',
    answer: 'Left out, the kernel enforces it where the unit can; asked for, a unit that cannot is refused.',
    reason: 'Version 2 has the three values; automatic is what Linux now does.',
  },
  {
    question: 'How do faults reach the program?',
    answer:
      'As records of read() on the descriptor, with poll(), and answers as structures of write(); a bounded queue, whose next ' +
      'record after an overflow says so. What a device reports in its own way looks the same.',
    reason: 'The proposal asks ring or read(); Linux now has read() and write().',
  },
  {
    question: 'Whose PASID tables can a process keep?',
    answer:
      'Those of AMD’s units that find them at guest addresses (GCR3TRPModeSup). One takes all requests of its devices, which are ' +
      'attached nowhere by a PASID then: -EBUSY. Elsewhere binding one is -EOPNOTSUPP, attaching to one -EINVAL.',
    reason: 'Intel’s units find PASID tables at host addresses only, so that there the kernel keeps them in any case.',
  },
  {
    question: 'What is a space that is attached by a PASID of such a table?',
    answer:
      'In version 1 it is kept track of: it leads no request anywhere, but its IOASID_INVALIDATE_CACHE is that PASID’s, and so are ' +
      'the faults that are told of it. In version 2 it is -EINVAL.',
    reason:
      'Version 1 demands that each table is bound also by itself, for invalidation and faults; version 2 has the one space stand ' +
      'for all, and tells the vPASID of each fault.',
  },
  {
    question: 'How does a program learn which pages devices have written to?',
    answer:
      'By two commands of both versions, with structures like Linux’s. Version 2 needs the attribute DIRTY_TRACKING, version 1 a unit ' +
      'that can. What an unmap takes away is not told any more. A device that is software has written what it has pinned for writing.',
    reason: 'The proposal leaves it open; Linux now has them.',
  },
  {
    question: 'Whose are pages that are written through a merged table?',
    answer:
      'Also of every space that it is merged of, each of which tells its own reader; unmapping or detaching the nested one takes ' +
      'nothing away below.',
    reason: 'A program that moves a guest asks the space of the guest’s memory, whichever way a device took.',
  },
  {
    question: 'What becomes of page requests that nobody answers?',
    answer: 'Detaching, closing, exiting and a full queue answer INVALID, once for each.',
    reason: 'As Linux now; a device that waits for ever is worse than one that is refused.',
  },
  {
    question: 'What is a space to a device that is software?',
    answer:
      'Metadata: its driver asks where a page is and pins it while it copies; an unmap waits until it has let go. No slot, no ' +
      'unit, no table. A table that the process keeps is -EINVAL.',
    reason:
      'SW TABLE mode of the thread, final Linux’s `iommufd_access`. What hardware is to walk changes without the kernel hearing ' +
      'of it, so that nothing of it could be pinned.',
  },
  {
    question: 'Who tells of a page fault that a device reports in its own way?',
    answer:
      'A driver for that device in the kernel, on the ioasid that it is attached to. The device’s program is not told how.',
    reason: 'The rule of the seed message: a kernel function indicates the fault on the ioasid handle.',
  },
  {
    question: 'What does the PASID capability of VFIO_DEVICE_GET_INFO promise?',
    answer: 'That the device can be attached to several spaces, each under a PASID. None of its flags is set.',
    reason:
      'An attach under a PASID is refused only beside a PASID table of the process, which a program chooses when it makes the ' +
      'space; and no instruction carries a PASID of its choice.',
  },
  {
    question: 'Which devices may ask for pages, keep translations and send PASIDs?',
    answer: 'None, unless the kernel is told to trust them (`trustDevices`).',
    reason: 'A device that may keep translations may lie about them, and the proposal’s programs need not be trusted.',
  },
];
