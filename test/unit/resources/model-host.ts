/** A host as data: the commands that steps consist of change it as they would change a machine. */

import {
  type Command,
  removeFiles,
  withInputFile,
  writeFileWithMode,
} from '../../../control/command/command.js';
import { tableListing } from '../../../control/nft/listing.js';
import { savedStatePath, TABLE_NAME_FILE } from '../../../control/plan/paths.js';
import type {
  Family,
  ObservedHost,
  ObservedIpRule,
  ObservedRoute,
} from '../../../control/plan/state.js';
import { ModelTable } from './model-table.js';

const scriptOf = ({ argv }: Command) => argv[2];
const WRITE = scriptOf(writeFileWithMode('', '', 0));
const FROM_FILE = scriptOf(withInputFile('', []));

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

/** Everything fails that fails on a machine: deleting what is not there, adding what is. */
export class ModelHost {
  readonly files = new Map<string, { content: string; mode: number }>();
  private table: ModelTable | undefined;
  private rules: ObservedIpRule[];
  private routes: ObservedRoute[];
  private readonly sysctls: Record<string, string>;
  private attached: string | undefined;
  private interfaces: string[] = [];

  constructor(private readonly bare: ObservedHost) {
    this.rules = [...bare.ipRules];
    this.routes = [...bare.routes];
    this.sysctls = { ...bare.sysctls };
    for (const [path, file] of Object.entries(bare.files)) this.files.set(path, file);
  }

  /** What `observeHost` would say. */
  observe(): ObservedHost {
    const state = this.files.get(savedStatePath(this.bare.stateDir));
    const tableName = this.files.get(TABLE_NAME_FILE);
    return {
      ...this.bare,
      ipRules: [...this.rules],
      routes: [...this.routes],
      sysctls: { ...this.sysctls },
      files: tableName ? { [TABLE_NAME_FILE]: tableName } : {},
      ...(this.table && { listing: tableListing(this.table.list()) }),
      ...(state && { saved: JSON.parse(state.content), savedText: state.content }),
      ...(this.attached !== undefined && { classifier: this.classifier(this.attached) }),
    };
  }

  private classifier(digest: string) {
    const interfaces = this.interfaces.map((name) => ({ name, filter: 'attached' as const }));
    return { interfaces, digest, outdated: false, flows: { v4: 0, v6: 0 } };
  }

  /** All of it in an order that does not depend on how it came about. */
  snapshot() {
    const sorted = (list: readonly unknown[]) => list.map((one) => JSON.stringify(one)).sort();
    return {
      rules: sorted(this.rules),
      routes: sorted(this.routes),
      sysctls: this.sysctls,
      files: Object.fromEntries([...this.files].sort()),
      table: this.table?.snapshot(),
      classifier: this.attached,
      interfaces: this.interfaces,
    };
  }

  run({ argv, stdin = '' }: Command): void {
    const [program, ...args] = argv;
    if (program === 'tee') this.writeSysctl(args[0]!, stdin);
    else if (program === 'rm') this.remove(argv);
    else if (program === 'sh') this.script(args, stdin);
    else if (program === 'ip' && args[1] === 'rule') this.rule(args);
    else if (program === 'ip' && args[1] === 'route') this.route(args);
    else if (program === 'nft') this.table = ModelTable.apply(this.table, JSON.parse(stdin));
    else if (program === 'sidetrack') this.bpf(args, stdin);
    else throw new Error(`no such program: ${argv.join(' ')}`);
  }

  private writeSysctl(path: string, value: string): void {
    const key = path.slice('/proc/sys/'.length);
    if (this.sysctls[key] === undefined) throw new Error(`no sysctl ${key}`);
    this.sysctls[key] = value.trim();
  }

  private remove(argv: readonly string[]): void {
    const paths = argv.slice(removeFiles([]).argv.length);
    for (const path of paths) this.files.delete(path);
  }

  private script([, script, , ...args]: readonly string[], stdin: string): void {
    if (script === WRITE)
      this.files.set(args[1]!, { content: stdin, mode: Number.parseInt(args[0]!, 8) });
    else if (script === FROM_FILE) {
      const file = this.files.get(args[0]!);
      if (file === undefined) throw new Error(`no file ${args[0]}`);
      this.run({ argv: args.slice(1), stdin: file.content });
    } else throw new Error(`unknown script ${script}`);
  }

  private rule([family, , verb, ...words]: readonly string[]): void {
    const option = options(words);
    const [mark, mask] = option('fwmark')?.split('/').map(Number) ?? [];
    const suppressed = option('suppress_prefixlength');
    const rule: ObservedIpRule = {
      family: familyOf(family),
      priority: Number(option('priority')),
      ...(option('iif') && { iif: option('iif')! }),
      ...(mark !== undefined && { mark, mask: mask! }),
      ...(words.includes('unreachable')
        ? { action: 'unreachable' as const }
        : { table: Number(option('lookup')) }),
      ...(suppressed !== undefined && { suppressPrefixLength: Number(suppressed) }),
      protocol: Number(option('protocol')),
    };
    const others = this.rules.filter((other) => !same(other, rule));
    const exists = others.length < this.rules.length;
    if (exists !== (verb === 'del')) throw new Error(`ip rule ${verb}: ${JSON.stringify(rule)}`);
    this.rules = verb === 'del' ? others : [...this.rules, rule];
  }

  /** A table holds one route of a destination and metric. */
  private route([family, , verb, ...words]: readonly string[]): void {
    const option = options(words);
    const type = { unreachable: '7', local: '2' }[words[0]!] ?? 'unicast';
    const metric = option('metric');
    const route: ObservedRoute = {
      family: familyOf(family),
      table: Number(option('table')),
      destination: 'default',
      type,
      ...(option('via') && { via: option('via')! }),
      ...(option('dev') && { dev: option('dev')! }),
      ...(metric !== undefined && { metric: Number(metric) }),
      protocol: Number(option('protocol')),
    };
    const others = this.routes.filter(
      (other) => !(verb === 'del' ? same : samePlace)(other, route),
    );
    if (verb === 'del' && others.length === this.routes.length)
      throw new Error(`no route ${JSON.stringify(route)}`);
    this.routes = verb === 'del' ? others : [...others, route];
  }

  private bpf([, verb, ...words]: readonly string[], stdin: string): void {
    this.attached = verb === 'attach' ? options(words)('--digest')! : undefined;
    this.interfaces = verb === 'attach' ? JSON.parse(stdin).interfaces : [];
  }
}

const samePlace = (a: ObservedRoute, b: ObservedRoute) =>
  a.family === b.family &&
  a.table === b.table &&
  a.destination === b.destination &&
  a.metric === b.metric;

const familyOf = (option = ''): Family => (option === '-4' ? 4 : 6);

/** The word behind a name. */
function options(words: readonly string[]) {
  return (name: string): string | undefined => {
    const index = words.indexOf(name);
    return index < 0 ? undefined : words[index + 1];
  };
}
