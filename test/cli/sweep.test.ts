import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ioasim } from './capture.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ioasim-sweep-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);
const read = (name: string): string => readFileSync(at(name), 'utf8');
const sorted = (...names: string[]): string[] => names.flatMap((name) => read(name).trimEnd().split('\n')).sort();
const file = (name: string, text: string): string => {
  writeFileSync(at(name), text);
  return at(name);
};

const SWEEP = `
study: window
parameters:
  kind: write
  translation: [off, 4K]
  bytes: 64
  window: [4K, 64K, 1M]
  transfers: 500
`.replace('off', '"off"');

describe('ioasim sweep', () => {
  it('runs every point of its file, and a second run none', async () => {
    const yaml = file('one.yaml', SWEEP);
    const first = await ioasim('sweep', yaml, '--threads', '1');
    expect(first).toMatchObject({ code: 0, err: '' });
    expect(first.out).toMatch(/^6 points run; [\d.]+ s, CPU time [\d.]+ s on 1 thread\.\nResults: .*one\.jsonl$/);
    const before = read('one.jsonl');
    expect(before.split('\n')).toHaveLength(7);
    const second = await ioasim('sweep', yaml, '--threads', '1');
    expect(second.out).toMatch(/^0 points run, 6 were there before;/);
    expect(read('one.jsonl')).toBe(before);
  });

  it('goes on behind the last whole line where it was stopped', async () => {
    const whole = read('one.jsonl');
    file('stopped.jsonl', whole.slice(0, -40));
    const { out } = await ioasim('sweep', at('one.yaml'), '--threads', '1', '-o', at('stopped.jsonl'));
    expect(out).toMatch(/^1 points run, 5 were there before;/);
    expect(read('stopped.jsonl')).toBe(whole);
  });

  it('gives the same results in several threads', async () => {
    const { out } = await ioasim('sweep', at('one.yaml'), '--threads', '2', '-o', at('two.jsonl'));
    expect(out).toMatch(/on 2 threads\./);
    expect(sorted('two.jsonl')).toEqual(sorted('one.jsonl'));
  });

  it('runs a part of the points in each shard, and their files together have all', async () => {
    for (const shard of ['1/4', '2/4', '3/4', '4/4']) {
      expect((await ioasim('sweep', at('one.yaml'), '--threads', '1', '--shard', shard)).code).toBe(0);
    }
    const parts = [1, 2, 3, 4].map((i) => `one.${i}-of-4.jsonl`);
    expect(parts.map((part) => sorted(part).length)).toEqual([2, 2, 1, 1]);
    expect(sorted(...parts)).toEqual(sorted('one.jsonl'));
  });

  it.each([
    ['parameters: {}', 'expected the field "study" to be the name of a study.'],
    ['study: wind', 'There is no study "wind"; did you mean "window"?'],
    ['study: window\nparamters: {}', 'has a field "paramters"; did you mean "parameters"?'],
    ['study: window\nseed: -1', 'expected the field "seed" to be a whole number from 0 on.'],
    [
      'study: window\nparameters: { bytes: [true] }',
      'expected the field "parameters.bytes" to be a value or a list of values.',
    ],
    ['study: window\nparameters: { bites: 64 }', 'there is no parameter "bites"; did you mean "bytes"?'],
    ['study: window\nparameters: { bytes: 64Q }', 'parameter "bytes" is a whole number from 1 to 4096, and not "64Q".'],
    ['study: window\nparameters: { bytes: [] }', 'parameter "bytes" has no values.'],
    ['study: [', 'is not YAML: line 1: '],
    ['- window', 'expected it to be a study and its parameters.'],
    ['', 'expected it to be a study and its parameters.'],
  ])('says one sentence about %j', async (text, sentence) => {
    const { code, out, err } = await ioasim('sweep', file('bad.yaml', text));
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(sentence);
    expect(err.split('\n')).toHaveLength(1);
  });

  it.each([
    [['--shard', '5/4'], 'A shard is one of several, from "1/8" to "8/8", and not "5/4".'],
    [['--threads', '0'], '--threads takes a whole number from 1 to 1024, not "0".'],
    [['--engine', 'bullmq'], '--engine bullmq needs --redis URL: where its queue is.'],
    [['--worker'], 'Only --engine bullmq has a queue: --redis and --worker go with it.'],
    [['--output', '/nowhere/x.jsonl'], '"/nowhere/x.jsonl" cannot be written (ENOENT).'],
    [['--engine', 'bullmq', '--redis', 'http://x'], 'The address of Redis begins with "redis://" or "rediss://"'],
    [
      ['--engine', 'bullmq', '--redis', 'redis://127.0.0.1:1'],
      'There is no Redis at "redis://127.0.0.1:1" (ECONNREFUSED).',
    ],
  ])('%j: one sentence', async (args, sentence) => {
    const { code, err } = await ioasim('sweep', at('one.yaml'), ...args);
    expect(code).toBe(2);
    expect(err).toContain(sentence);
  });
});

const hasRedis = spawnSync('redis-server', ['--version']).status === 0;
/** Each point takes a good part of a second. */
const LONG = SWEEP.replace('500', '150000').replace(', 1M', '');

describe.skipIf(!hasRedis)('ioasim sweep over machines', () => {
  const children: ChildProcess[] = [];
  const start = (...args: string[]): ChildProcess => {
    const child = spawn(args[0]!, args.slice(1), { stdio: 'ignore', cwd: folder });
    children.push(child);
    return child;
  };
  const ioasimOf = (...args: string[]): ChildProcess =>
    start(process.execPath, fileURLToPath(new URL('../../bin/ioasim.js', import.meta.url)), 'sweep', ...args);
  let redis: string;
  beforeAll(async () => {
    const port = await freePort();
    redis = `redis://127.0.0.1:${port}`;
    start('redis-server', '--port', `${port}`, '--save', '', '--appendonly', 'no');
    while (!(await answers(port))) await sleep(50);
  });
  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
  });

  it('loses nothing when a worker is killed', async () => {
    const yaml = file('long.yaml', LONG);
    const queue = ['--engine', 'bullmq', '--redis', redis, '--patience', '1.5'];
    const gathers = ioasimOf(yaml, ...queue, '--threads', '0');
    const killed = ioasimOf(yaml, ...queue, '--worker', '--threads', '2');
    const lines = (): number => (existsSync(at('long.jsonl')) ? read('long.jsonl').split('\n').length - 1 : 0);
    while (lines() === 0) await sleep(20);
    killed.kill('SIGKILL');
    expect(lines()).toBeLessThan(4);
    ioasimOf(yaml, ...queue, '--worker', '--threads', '1');
    expect(await once(gathers, 'exit')).toEqual([0, null]);
    const alone = await ioasim('sweep', yaml, '--threads', '2', '-o', at('alone.jsonl'));
    expect(alone.code).toBe(0);
    expect(sorted('long.jsonl')).toEqual(sorted('alone.jsonl'));
    // Processes start slowly where others are busy.
  }, 120_000);
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
