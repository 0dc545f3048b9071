/** What a host may ask of a rig: options and requests, checked by name. */

import { CONFIG_BYTES } from '../pcie/index.ts';

/** A mode or vendor that the models do not have. */
export class NotSupported extends Error {
  override readonly name = 'NotSupported';
}

type Check = (value: unknown) => boolean;
interface Rule {
  readonly accepts: string;
  readonly test: Check;
  readonly required?: boolean;
}
type Rules = Readonly<Record<string, Rule>>;

const isBigint: Check = (value) => typeof value === 'bigint' && value >= 0n && value < 1n << 64n;
const isFunction: Check = (value) => typeof value === 'function';
const isBoolean: Check = (value) => typeof value === 'boolean';
const isInteger =
  (first: number, last: number): Check =>
  (value) =>
    Number.isInteger(value) && (value as number) >= first && (value as number) <= last;
const isRange: Check = (value) =>
  Array.isArray(value) && value.length === 2 && isBigint(value[0]) && isBigint(value[1]);
const isMemory: Check = (value) => {
  const memory = value as { read?: unknown; write?: unknown; compareExchange64?: unknown } | null;
  if (typeof memory !== 'object' || memory === null) return false;
  const { read, write, compareExchange64: exchange } = memory;
  return isFunction(read) && isFunction(write) && (exchange === undefined || isFunction(exchange));
};

const bigint64 = 'a bigint from 0 to 2^64 - 1';
const word = (required: boolean): Rule => ({ accepts: bigint64, test: isBigint, required });

const OPTIONS: Rules = {
  vendor: { accepts: '"intel" or "amd"', test: (value) => value === 'intel' || value === 'amd', required: true },
  capabilities: { accepts: 'an object', test: (value) => typeof value === 'object' && value !== null, required: true },
  hostAddressWidth: { accepts: 'a whole number from 32 to 52', test: isInteger(32, 52) },
  ram: { accepts: 'a list of [start, length] pairs of bigints', test: (v) => Array.isArray(v) && v.every(isRange) },
  memory: { accepts: 'an object with read and write functions', test: isMemory },
  onMsi: { accepts: 'a function', test: isFunction },
  onDeviceMessage: { accepts: 'a function', test: isFunction },
  awaitInvalidations: { accepts: 'true or false', test: isBoolean },
  assumeCoherentWalks: { accepts: 'true or false', test: isBoolean },
};

const CAPABILITIES: Readonly<Record<string, Rules>> = {
  intel: { ver: word(true), cap: word(true), ecap: word(true) },
  amd: {
    efr: word(true),
    efr2: word(false),
    capHeader: word(false),
    miscInfo0: word(false),
    miscInfo1: word(false),
  },
};

const REQUEST: Rules = {
  requester: { accepts: 'a whole number from 0 to 0xffff', test: isInteger(0, 0xffff), required: true },
  pasid: { accepts: 'a whole number from 0 to 0xfffff', test: isInteger(0, 0xfffff) },
  privileged: { accepts: 'true or false', test: isBoolean },
  execute: { accepts: 'true or false', test: isBoolean },
  addressType: { accepts: '"untranslated" or "translated"', test: (v) => v === 'untranslated' || v === 'translated' },
  address: { accepts: bigint64, test: isBigint, required: true },
  write: { accepts: 'true or false', test: isBoolean, required: true },
  length: { accepts: 'a whole number from 0 to 2^24', test: isInteger(0, 2 ** 24) },
};
const TRANSLATE: Rules = { ...REQUEST, probe: { accepts: 'true or false', test: isBoolean } };
const flagRule: Rule = { accepts: 'true or false', test: isBoolean };
const TRANSLATION: Rules = {
  requester: REQUEST['requester']!,
  pasid: REQUEST['pasid']!,
  privileged: flagRule,
  execute: flagRule,
  address: REQUEST['address']!,
  noWrite: flagRule,
};
const PAGE_REQUEST: Rules = {
  requester: REQUEST['requester']!,
  pasid: REQUEST['pasid']!,
  address: REQUEST['address']!,
  read: flagRule,
  write: flagRule,
  execute: flagRule,
  privileged: flagRule,
  last: flagRule,
  group: { accepts: 'a whole number from 0 to 511', test: isInteger(0, 511), required: true },
};
const COMPLETION: Rules = {
  requester: REQUEST['requester']!,
  tags: { accepts: 'a whole number from 0 to 2^32 - 1', test: isInteger(0, 2 ** 32 - 1), required: true },
  count: { accepts: 'a whole number from 0 to 7', test: isInteger(0, 7), required: true },
};
const DMA: Rules = { ...REQUEST, data: { accepts: 'a Uint8Array', test: (value) => value instanceof Uint8Array } };

/** Throws a sentence about the first option that is wrong. */
export function checkOptions(options: object): void {
  check('createRig', options, OPTIONS);
  const { vendor, capabilities, ram } = options as {
    vendor: 'intel' | 'amd';
    capabilities: Readonly<Record<string, bigint>>;
    ram?: readonly (readonly [bigint, bigint])[];
  };
  check('createRig: capabilities', capabilities, CAPABILITIES[vendor]!);
  for (const [start, length] of ram ?? []) {
    if (length === 0n || start + length > 1n << 52n) {
      throw new RangeError(
        `createRig: ram: [0x${start.toString(16)}, 0x${length.toString(16)}] is not within 52 bits.`,
      );
    }
  }
  if (vendor === 'intel') checkIntel(capabilities);
}

/** Throws a sentence about the first field of a request that is wrong. */
export function checkDma(request: object, call: 'dma' | 'translate'): void {
  check(call, request, call === 'dma' ? DMA : TRANSLATE);
  if (call === 'translate') return;
  const { write, data, length } = request as { write: boolean; data?: Uint8Array; length?: number };
  if (write && (data === undefined || data.length === 0))
    throw new TypeError('dma: a write needs data of 1 byte or more.');
  if (!write && (length === undefined || data !== undefined))
    throw new TypeError('dma: a read needs length, and no data.');
}

export function checkTranslation(request: object): void {
  check('translationRequest', request, TRANSLATION);
}

export function checkPageRequest(request: object): void {
  check('pageRequest', request, PAGE_REQUEST);
}

export function checkConfig(call: string, offset: number, size: number): void {
  if (![1, 2, 4].includes(size)) throw new TypeError(`${call}: size must be 1, 2 or 4, not ${String(size)}.`);
  if (Number.isInteger(offset) && offset >= 0 && offset + size <= CONFIG_BYTES && offset % size === 0) return;
  throw new TypeError(`${call}: offset must be a multiple of ${size} below ${CONFIG_BYTES}, not ${String(offset)}.`);
}

export function checkCompletion(completion: object): void {
  check('completeInvalidation', completion, COMPLETION);
}

/** Modes that a unit may announce and that do not exist here. */
function checkIntel({ cap, ecap }: Readonly<Record<string, bigint>>): void {
  if (((cap! >> 16n) & 0x3fn) < 31n) throw new RangeError('createRig: capabilities: CAP.MGAW must be 31 or more.');
  const hasFirstStage = ((ecap! >> 43n) & (ecap! >> 47n) & 1n) !== 0n;
  if (((cap! >> 8n) & 0b1110n) === 0n && !hasFirstStage) throw new NotSupported('CAP.SAGAW names no supported depth');
}

function check(what: string, given: object, rules: Rules): void {
  for (const key of Object.keys(given)) {
    if (!(key in rules)) {
      throw new TypeError(`${what}: unknown option "${key}"; accepted: ${Object.keys(rules).join(', ')}.`);
    }
  }
  for (const [key, { accepts, test, required }] of Object.entries(rules)) {
    const value = (given as Readonly<Record<string, unknown>>)[key];
    if (value === undefined ? required === true : !test(value)) {
      throw new TypeError(`${what}: ${key} must be ${accepts}, not ${String(value)}.`);
    }
  }
}
