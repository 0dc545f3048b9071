// docs/uapi.md: commands, numbers and structures of the user API.
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
    '# The user API: commands, numbers, structures',
    '',
    'Written by `npm run docs` from the declarations in `src/uapi`. Numbers are little-endian; every structure begins with',
    'its own size as the caller knows it, and padding is explicit and must be 0.',
    '',
    ...lists.flatMap(([name, list]) => commands(FILES[name] ?? name, list)),
    '## Structures',
    '',
    ...listed.filter(isObject).flatMap(structure),
    '## Code points',
    '',
    ...exported.filter(isCodePoints).flatMap(codePoints),
  ].join('\n');
  return `${text.trimEnd()}\n`;
}

function commands(file, list) {
  const rows = list.map(({ name, number, argument }) => [
    `${hexadecimal(number, 4)}h`,
    name,
    isObject(argument) ? `\`${argument.name}\`, ${argument.bytes} bytes` : argument,
  ]);
  return [`## Commands of \`${file}\``, '', ...table(['Number', 'Name', 'Argument'], rows)];
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

function isCodePoints([, value]) {
  if (!isObject(value) || Array.isArray(value)) return false;
  const values = Object.values(value);
  return values.length > 0 && values.every((one) => typeof one === 'number');
}

function codePoints([name, values]) {
  const rows = Object.entries(values).map(([key, value]) => [value, key]);
  return [`### ${name}`, '', ...table(['Number', 'Name'], rows)];
}
