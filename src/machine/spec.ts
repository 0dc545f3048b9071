/**
 * From what somebody wrote (the name of a preset, a few fields, settings from a command line) to a complete machine
 * specification, or one sentence saying what is wrong with it.
 */
import { InputError, quote, suggest } from './input-error.ts';
import { unknownField } from './kinds.ts';
import { presets } from './presets/index.ts';
import { MACHINE, type MachineSpec, type WrittenSpec } from './schema.ts';

type Partly<T> = T extends readonly unknown[] ? T : T extends object ? { [K in keyof T]?: Partly<T[K]> } : T;

/** Some fields of a machine; the rest comes from `preset`, which is `intel-legacy` unless named. */
export type MachineInput = Partly<WrittenSpec> & { preset?: string };

type Plain = Record<string, unknown>;

const DEFAULT_PRESET = 'intel-legacy';

/** The complete specification that `input` means, edited by `settings` of the form `path=value`. */
export function resolveSpec(
  input: string | MachineInput = DEFAULT_PRESET,
  settings: readonly string[] = [],
): MachineSpec {
  const written: unknown = typeof input === 'string' ? { preset: input } : input;
  if (!isPlain(written)) throw new InputError(`machine: expected an object, got ${show(written)}.`);
  const { preset = DEFAULT_PRESET, ...fields } = written;
  const whole = validate(merge(presetNamed(preset), fields));
  if (settings.length === 0) return whole;
  // A setting may name what nobody has written: by then it has its default.
  return validate(settings.reduce<unknown>(withSetting, whole));
}

function presetNamed(name: unknown): unknown {
  if (typeof name === 'string' && Object.hasOwn(presets, name)) return presets[name];
  const names = Object.keys(presets);
  if (typeof name !== 'string')
    throw new InputError(`machine.preset: expected one of ${names.map(quote).join(', ')}, got ${show(name)}.`);
  throw new InputError(`There is no machine ${quote(name)}; ${suggest(name, names)}`);
}

function validate(spec: unknown): MachineSpec {
  const result = MACHINE.safeParse(spec);
  if (result.success) return result.data;
  const { code, message, path } = result.error.issues[0]!;
  const where = pathText(path);
  if (code === 'unrecognized_keys') throw new InputError(`${where}: ${message}`);
  const found = path.reduce<unknown>((at, key) => (at as Plain | undefined)?.[key as string], spec);
  throw new InputError(`${where}: expected ${message}, got ${show(found)}.`);
}

/** `override` over `base`, field by field; lists are replaced as a whole, and so is what another vendor's unit has. */
export function merge(base: unknown, override: unknown): unknown {
  if (!isPlain(base) || !isPlain(override) || isOfOther(base, override)) return override;
  const names = new Set([...Object.keys(base), ...Object.keys(override)]);
  return Object.fromEntries(
    [...names].map((name) => {
      if (!Object.hasOwn(override, name) || override[name] === undefined) return [name, base[name]];
      return [name, Object.hasOwn(base, name) ? merge(base[name], override[name]) : override[name]];
    }),
  );
}

function isOfOther({ vendor }: Plain, { vendor: other = vendor }: Plain): boolean {
  return other !== vendor;
}

/** A copy of `spec` with one field set. The value is JSON, or else the text as it stands. */
function withSetting(spec: unknown, setting: string): unknown {
  const equals = setting.indexOf('=');
  if (equals <= 0) {
    throw new InputError(
      `A setting has the form path=value, for instance iommu.iotlb.ways=4, and ${quote(setting)} has not.`,
    );
  }
  const path = setting.slice(0, equals).split('.');
  // The sentences about wrong fields start with `machine.`; who copies such a path means the same field.
  if (path[0] === 'machine' && path.length > 1) path.shift();
  return withValue(spec, path, parseValue(setting.slice(equals + 1)), []);
}

function withValue(at: unknown, path: readonly string[], value: unknown, done: readonly string[]): unknown {
  const [name, ...rest] = path;
  if (name === undefined) return value;
  const where = pathText(done);
  if (Array.isArray(at)) {
    const items: unknown[] = at;
    const index = Number(name);
    if (!(/^\d+$/.test(name) && index < items.length)) {
      throw new InputError(`${where}: expected an item from 0 to ${items.length - 1}, got ${quote(name)}.`);
    }
    return items.map((item, i) => (i === index ? withValue(item, rest, value, [...done, name]) : item));
  }
  if (!isPlain(at)) throw new InputError(`${where} is ${show(at)} and has no field ${quote(name)}.`);
  if (!Object.hasOwn(at, name)) throw new InputError(`${where}: ${unknownField(name, Object.keys(at))}`);
  return { ...at, [name]: withValue(at[name], rest, value, [...done, name]) };
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function pathText(path: readonly PropertyKey[]): string {
  return ['machine', ...path].map(String).join('.');
}

function isPlain(value: unknown): value is Plain {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value as it is quoted back to whoever wrote it, cut to a readable length. */
function show(value: unknown): string {
  const text = value === undefined ? 'nothing' : (JSON.stringify(value) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
