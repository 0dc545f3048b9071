/**
 * Value Change Dump (IEEE 1364-2005, 18), for waveform viewers: for each part of the machine how many tasks are there, and an
 * event for each kind of event that it can have; for the IOMMU also the address of the last request that it told of.
 *
 * Signals are declared before the first change, so that parts that appear later (processes) share the scope `software`. What a
 * part cannot tell is not declared: viewers show an event that never happens as if it had at the beginning.
 */
import type { EventKind, TraceEvent } from '../events.ts';
import type { TraceFormat, TracePart, TraceRecord, TraceSection, TraceWriter } from './record.ts';

/** What each kind of part can tell. */
const EVENTS: Readonly<Record<TracePart['role'], readonly EventKind[]>> = {
  iommu: ['hit', 'miss', 'read', 'translated', 'fault', 'invalidated', 'register', 'interrupt'],
  memory: [],
  link: [],
  device: ['packet'],
  switch: ['packet'],
  root: ['packet'],
  program: [],
  kernel: ['log'],
  core: [],
  software: ['call', 'step', 'note', 'expectation'],
};
const OTHERS: TracePart = { name: 'software', role: 'software' };
/** The printable characters, which codes of signals are made of. */
const FIRST_CODE = 33;
const CODES = 94;

class VcdWriter implements TraceWriter {
  readonly #out: (text: string) => void;
  #signals = 0;
  /** Codes of signals, by the name of the part and of the signal. */
  readonly #codes = new Map<string, string>();
  readonly #parts = new Set<string>();
  /** How many tasks are at each of the parts that share a scope. */
  readonly #others = new Map<string, number>();
  #now = -1;

  constructor(out: (text: string) => void) {
    this.#out = out;
  }

  section({ scenario, machine, parts, isSilent }: TraceSection): void {
    this.#out(`$version ioasim $end\n$comment ${plain(scenario)} on ${plain(machine)} $end\n$timescale 1 ps $end\n`);
    this.#out('$scope module ioasim $end\n');
    const others = isSilent ? [] : [OTHERS];
    const all = [...parts.filter(({ name }) => name !== OTHERS.name), ...others];
    for (const { name, role } of all) {
      this.#parts.add(name);
      this.#out(`$scope module ${identifier(name)} $end\n`);
      this.#declare(name, 'integer 32', 'tasks');
      if (!isSilent) for (const kind of EVENTS[role]) this.#declare(name, 'event 1', kind);
      if (role === 'iommu' && !isSilent) this.#declare(name, 'reg 64', 'address', ' [63:0]');
      this.#out('$upscope $end\n');
    }
    this.#out('$upscope $end\n$enddefinitions $end\n');
    this.#at(0);
    this.#out('$dumpvars\n');
    for (const { name, role } of all) {
      this.#set(name, 'tasks', '0');
      if (role === 'iommu' && !isSilent) this.#set(name, 'address', 'x');
    }
    this.#out('$end\n');
  }

  write(record: TraceRecord): void {
    const isOther = !this.#parts.has(record.who);
    const who = isOther ? OTHERS.name : record.who;
    if (record.type === 'event') this.#happens(who, record.event);
    if (record.type !== 'count') return;
    if (isOther) this.#others.set(record.who, record.tasks);
    const tasks = isOther ? [...this.#others.values()].reduce((sum, one) => sum + one) : record.tasks;
    this.#at(record.at);
    this.#set(who, 'tasks', tasks.toString(2));
  }

  end(at: number): void {
    this.#at(at);
  }

  close(): void {}

  #happens(who: string, event: TraceEvent): void {
    const code = this.#codes.get(`${who} ${event.kind}`);
    if (code === undefined) return;
    this.#at(event.at);
    if ('address' in event && 'requester' in event) this.#set(who, 'address', event.address.toString(2));
    this.#out(`1${code}\n`);
  }

  #set(who: string, signal: string, bits: string): void {
    const code = this.#codes.get(`${who} ${signal}`);
    if (code !== undefined) this.#out(`b${bits} ${code}\n`);
  }

  #at(time: number): void {
    if (time > this.#now) this.#out(`#${time}\n`);
    this.#now = Math.max(time, this.#now);
  }

  #declare(part: string, type: string, signal: string, range = ''): void {
    const code = codeOf(this.#signals++);
    this.#codes.set(`${part} ${signal}`, code);
    this.#out(`$var ${type} ${code} ${signal}${range} $end\n`);
  }
}

function codeOf(n: number): string {
  const last = String.fromCharCode(FIRST_CODE + (n % CODES));
  return n < CODES ? last : codeOf(Math.floor(n / CODES) - 1) + last;
}

function identifier(name: string): string {
  return name.replaceAll(/\W+/g, '_');
}

/** A text that ends no section. */
function plain(text: string): string {
  return text.replaceAll('$', '');
}

export const VCD: TraceFormat = {
  extensions: ['vcd'],
  meaning: 'signals for waveform viewers (GTKWave, Surfer), of one run',
  holdsOneRun: true,
  make: (out) => new VcdWriter(out),
};
