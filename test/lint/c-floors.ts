/**
 * Who may include and call whom in C. The tables below are the floors of docs/ARCHITECTURE.md, lowest
 * first: no file includes or calls one of a higher floor, neither includes nor calls go in circles,
 * and every header compiles by itself.
 */
import { spawnSync } from 'node:child_process';
import { join, posix } from 'node:path';
import { type CFile, callsOf, includeGraph, readCTree } from './c-tree.js';
import { circlesOf } from './graph.js';
import type { Violation } from './imports.js';

export interface CTree {
  /** From the root; the compiler looks for includes here. */
  folder: string;
  /** Folders or files below it, the lowest first. */
  floors: readonly string[];
  /** Programs of their own, or folders of one, which are not part of any floor. */
  apart: readonly string[];
}

export const ENGINE: CTree = {
  folder: 'proxy/engine',
  floors: ['abi.h', 'base', 'sockets', 'upstreams', 'bytes', 'connection', 'thread', 'relay'],
  apart: ['abi-gen.c'],
};

/** Two programs, each compiled at once: each header is a floor. */
export const BPF: CTree = {
  folder: 'bpf',
  floors: [
    'abi.h',
    'siphash.h',
    'jhash.h',
    'clock.h',
    'maps.h',
    'count.h',
    'parse.h',
    'client.h',
    'flow.h',
    'fragment.h',
    'lookup.h',
    'server.h',
    'health.h',
    'target.h',
    'route.h',
    'heartbeat.h',
    'steer.h',
    'xdp.h',
    'classify.bpf.c',
    'express-flow.h',
    'express.h',
    'express.bpf.c',
  ],
  apart: ['abi-gen.c', 'loader'],
};

/** One program, compiled at once. */
export const LOADER: CTree = {
  folder: 'bpf/loader',
  floors: [
    ...['bundle.h', 'health_names.h'],
    ...['fault.h', 'fault.c', 'json.h', 'json.c', 'input.h', 'input.c', 'contents.h', 'contents.c'],
    ...['netlink.h', 'netlink.c', 'hooks.h', 'tc.c', 'xdp.c', 'pins.h', 'names.c', 'pins.c'],
    ...['flows.h', 'flows.c', 'child.h', 'child.c', 'nft.h', 'nft.c', 'place.h', 'place.c'],
    ...['program_set.h', 'program_set.c', 'servers.h', 'servers.c', 'points.h', 'points.c'],
    ...['attach.h', 'attach.c', 'check.h', 'check.c', 'show.h', 'show.c', 'stats.c', 'main.c'],
  ],
  apart: ['layout-gen.c'],
};

function below(tree: CTree, path: string): string {
  return posix.relative(tree.folder, path);
}

/** Which floor a file lies on; -1 for none. */
function floorOf(tree: CTree, path: string): number {
  const inside = below(tree, path);
  return tree.floors.findIndex((floor) => inside === floor || inside.startsWith(`${floor}/`));
}

/** Of what is on no floor this is not said; that is told by itself. */
function isHigher(tree: CTree, path: string, than: string): boolean {
  const floor = floorOf(tree, than);
  return floor >= 0 && floorOf(tree, path) > floor;
}

function checkKnownFloor(tree: CTree, { path }: CFile): Violation[] {
  if (floorOf(tree, path) >= 0) return [];
  const message = `${below(tree, path)} is on no floor of test/lint/c-floors.ts`;
  return [{ path, line: 1, message }];
}

function checkIncludes(tree: CTree, file: CFile): Violation[] {
  return file.includes
    .filter(({ to }) => isHigher(tree, to, file.path))
    .map(({ to, line }) => ({
      path: file.path,
      line,
      message: `includes ${below(tree, to)}, which is on a higher floor`,
    }));
}

function circles(what: string, graph: Parameters<typeof circlesOf>[0]): Violation[] {
  return circlesOf(graph).map(({ path, line, text }) => ({
    path,
    line,
    message: `circle of ${what}: ${text}`,
  }));
}

function filesOf(root: string, tree: CTree): CFile[] {
  const files = readCTree(root, tree.folder);
  const isApart = (inside: string) =>
    tree.apart.some((one) => inside === one || inside.startsWith(`${one}/`));
  return files.filter(({ path }) => !isApart(below(tree, path)));
}

/** Includes that go up or in circles, and files that are on no floor. */
export function checkCIncludes(root: string, tree: CTree): Violation[] {
  const files = filesOf(root, tree);
  return [
    ...files.flatMap((file) => [...checkKnownFloor(tree, file), ...checkIncludes(tree, file)]),
    ...circles('includes', includeGraph(files)),
  ];
}

/** Calls that go up or in circles. @param objects where the compiled files lie, from the root */
export function checkCalls(root: string, tree: CTree, objects: string): Violation[] {
  const files = filesOf(root, tree);
  const calls = callsOf(files, tree.folder, join(root, objects));
  const missing = files
    .filter(({ path }) => path.endsWith('.c') && !calls.has(path))
    .map(({ path }) => ({ path, line: 1, message: `is not compiled in ${objects}` }));
  const upward = [...calls].flatMap(([path, all]) =>
    all
      .filter(({ to }) => isHigher(tree, to, path))
      .map(({ to, line, symbol }) => ({
        path,
        line,
        message: `uses ${symbol} of ${below(tree, to)}, which is on a higher floor`,
      })),
  );
  return [...missing, ...upward, ...circles('calls', calls)];
}

const ERROR = /^(?<path>[^:\n]+):(?<line>\d+):\d+: (?:fatal )?error: (?<text>.*)$/gm;

/** Headers that need what stands above their include. Each is told with its first error. */
export function checkHeaders(root: string, tree: CTree): Violation[] {
  const headers = filesOf(root, tree).filter(({ path }) => path.endsWith('.h'));
  const argv = ['-std=gnu11', '-D_GNU_SOURCE', '-O2', '-Werror', '-fsyntax-only'];
  const { status, stderr } = spawnSync(
    'gcc',
    [...argv, '-I', tree.folder, '-x', 'c', ...headers.map(({ path }) => path)],
    { cwd: root, encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } },
  );
  const first = new Map<string, Violation>();
  for (const { groups } of stderr.matchAll(ERROR)) {
    const { path = '', line, text } = groups!;
    const message = `does not compile by itself: ${text}`;
    if (!first.has(path)) first.set(path, { path, line: Number(line), message });
  }
  if (status !== 0 && first.size === 0) throw new Error(`gcc cannot read headers: ${stderr}`);
  return [...first.values()];
}
