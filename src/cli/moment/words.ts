/** Words of a command line as values; what is wrong with one is said in one sentence. */
import { InputError, type Instant, quote, suggest } from '../../machine/index.ts';

const REQUESTER = /^([0-9a-f]{2}):([01][0-9a-f])\.([0-7])$/i;
const NUMBER = /^(?:0x[0-9a-f]+|\d+)$/i;
const TIME = /^(\d+(?:\.\d+)?) ?(ps|ns|us|ms)$/;
const PICOSECONDS = { ps: 1, ns: 1e3, us: 1e6, ms: 1e9 } as const;
const LARGEST_ADDRESS = (1n << 64n) - 1n;

/** A requester id from bus:device.function, or from the name of a device. */
export function readRequester(word: string, names: ReadonlyMap<string, number>): number {
  const [, bus, device, fn] = REQUESTER.exec(word) ?? [];
  if (bus !== undefined) return (Number.parseInt(bus, 16) << 8) | (Number.parseInt(device!, 16) << 3) | Number(fn);
  const named = names.get(word);
  if (named !== undefined) return named;
  const example = 'A requester is bus:device.function such as 00:01.0, or the name of a device';
  throw new InputError(`${example}, and ${quote(word)} is neither; ${suggest(word, [...names.keys()])}`);
}

export function readAddress(word: string): bigint {
  const value = NUMBER.test(word) ? BigInt(word) : -1n;
  if (value < 0n || value > LARGEST_ADDRESS) {
    throw new InputError(`An address is a number of at most 64 bits such as 0x100000, and ${quote(word)} is not.`);
  }
  return value;
}

/** A whole number from `first` to `last`, decimal or hexadecimal. */
export function readWhole(option: string, word: string, first: number, last: number): number {
  const value = NUMBER.test(word) ? Number(word) : -1;
  if (!(value >= first && value <= last)) {
    throw new InputError(`${option} takes a whole number from ${first} to ${last}, not ${quote(word)}.`);
  }
  return value;
}

/** An instant of simulated time. */
export function readInstant(word: string, option = '--at'): Instant {
  const [, amount, unit] = TIME.exec(word) ?? [];
  const picoseconds = Math.round(Number(amount) * (PICOSECONDS[unit as keyof typeof PICOSECONDS] ?? Number.NaN));
  if (!Number.isSafeInteger(picoseconds)) {
    throw new InputError(`${option} takes a time with its unit (ps, ns, us or ms) such as 12.5us, not ${quote(word)}.`);
  }
  return picoseconds as Instant;
}

/** The name that a bus:device.function goes by, before the thing itself. */
export function requesterText(rid: number, names: ReadonlyMap<string, number>): string {
  const part = (value: number): string => value.toString(16).padStart(2, '0');
  const place = `${part(rid >>> 8)}:${part((rid >>> 3) & 31)}.${rid & 7}`;
  const name = [...names].find(([, id]) => id === rid)?.[0];
  return name === undefined ? place : `${name} (${place})`;
}
