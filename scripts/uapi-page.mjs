// docs/uapi.md: both versions of the user API beside what Linux has now, what was left open, and commands, refusals and structures.
import { hexadecimal, meaning, table } from './markdown.mjs';

/** The file that a list of commands is for. */
const FILES = {
  IOASID_COMMANDS: '/dev/ioasid',
  IOMMU_COMMANDS: '/dev/iommu',
  VFIO_COMMANDS: '/dev/vfio/devices/NAME, bound to /dev/ioasid',
  VFIO_2_COMMANDS: '/dev/vfio/devices/NAME, bound to /dev/iommu',
};

const isObject = (value) => typeof value === 'object' && value !== null;
const isCommandList = ([name, value]) => /_COMMANDS$/.test(name) && Array.isArray(value);

export function uapiPage(uapi) {
  const exported = Object.entries(uapi);
  const lists = exported.filter(isCommandList);
  const structures = exported.map(([, value]) => value).filter((value) => isObject(value) && isObject(value.layout));
  const listed = [...new Set([...lists.flatMap(([, list]) => list.map(({ argument }) => argument)), ...structures])];
  const text = [
    '# The user API: both versions of the proposal',
    '',
    'Written by `npm run docs` from the declarations in `src/uapi`. Numbers are little-endian; every structure begins with',
    'its own size as the caller knows it, and padding is explicit and must be 0.',
    '',
    ...comparison(uapi),
    ...decisions(uapi),
    '## Refusals of every command with a structure',
    '',
    ...table(['Errno', 'When'], Object.entries(uapi.STRUCTURE_REFUSALS)),
    'A command that is not in the table of its file is -ENOTTY. Below stands what else each command refuses.',
    '',
    ...lists.flatMap(([name, list]) => commands(FILES[name] ?? name, list, uapi.REFUSALS)),
    '## Structures',
    '',
    ...listed.filter(isObject).flatMap(structure),
    '## Code points',
    '',
    ...exported.filter(([name, value]) => name !== 'FINAL' && isCodePoints(value)).flatMap(codePoints),
  ].join('\n');
  return `${text.trimEnd()}\n`;
}

/** Version 1, version 2, and Linux now: a command that is the way to several things stands in several rows. */
function comparison({ COMPARISON, FINAL }) {
  const names = (commands) => commands.map(({ name }) => name).join(', ') || '-';
  const finals = (commands) => commands.map((name) => `${name} (${hexadecimal(FINAL[name], 4)}h)`).join(', ') || '-';
  const rows = COMPARISON.map(({ task, v1, v2, final, differs }) => [
    task,
    names(v1),
    names(v2),
    finals(final),
    differs,
  ]);
  return [
    '## Version 1, version 2 and Linux now',
    '',
    'Version 1 is `/dev/ioasid` of May 2021, version 2 `/dev/iommu` of July 2021; this kernel has both. Linux has had a third',
    'uAPI since 2022, also called `/dev/iommu`, to whose commands this kernel does not answer.',
    '',
    ...table(['To do', 'Version 1', 'Version 2', 'Linux now', 'What differs'], rows),
  ];
}

function decisions({ DECISIONS }) {
  return [
    '## What the proposal left open, and what is done here',
    '',
    ...table(
      ['Question', 'Answer', 'Reason'],
      DECISIONS.map(({ question, answer, reason }) => [question, answer, reason]),
    ),
  ];
}

function commands(file, list, refusals) {
  const rows = list.map(({ name, number, argument }) => [
    `${hexadecimal(number, 4)}h`,
    name,
    isObject(argument) ? `\`${argument.name}\`, ${argument.bytes} bytes` : argument,
  ]);
  const refused = list.flatMap((command) =>
    Object.entries(refusals.get(command)).map(([errno, when]) => [command.name, errno, when]),
  );
  return [
    `## Commands of \`${file}\``,
    '',
    ...table(['Number', 'Name', 'Argument'], rows),
    ...table(['Command', 'Errno', 'When'], refused),
  ];
}

function structure({ name, bytes, layout }) {
  const rows = layout.$.fields.map(({ name: member, width, spec }) => [
    spec.lo / 8,
    width / 8,
    member,
    meaning(spec.doc, spec.values),
  ]);
  return [
    `### ${name}`,
    '',
    `${bytes} bytes, ${layout.$.reference}.`,
    '',
    ...table(['Offset', 'Bytes', 'Member', 'Meaning'], rows),
  ];
}

function isCodePoints(value) {
  if (!isObject(value) || Array.isArray(value)) return false;
  const values = Object.values(value);
  return values.length > 0 && values.every((one) => typeof one === 'number');
}

function codePoints([name, values]) {
  const rows = Object.entries(values).map(([key, value]) => [value, key]);
  return [`### ${name}`, '', ...table(['Number', 'Name'], rows)];
}
