/** The table `inet sidetrack` of a `ModelHost`, as nft and the kernel treat it. */

import type { Transaction } from '../../../control/nft/json.js';
import type { NftAnswer, RawEntry } from '../../../control/nft/listing.js';

type Attributes = Record<string, unknown> & { name: string };

interface ModelSet {
  attributes: Attributes;
  elements: unknown[];
}

interface ModelChain {
  attributes: Attributes;
  rules: Record<string, unknown>[];
}

type Verb = 'add' | 'flush' | 'delete';
type Entry = Record<string, Record<string, unknown>>;

export class ModelTable {
  private sets = new Map<string, ModelSet>();
  private chains = new Map<string, ModelChain>();

  /** As a whole or not at all. @returns the table behind the transaction; nothing when it is gone */
  static apply(before: ModelTable | undefined, { nftables }: Transaction): ModelTable | undefined {
    let table = before?.copy();
    for (const command of nftables) {
      const [verb, entry] = Object.entries(command)[0] as [Verb, Entry];
      const [kind, object] = Object.entries(entry)[0]!;
      if (kind === 'table') {
        if (verb === 'delete' && table === undefined) throw new Error('no table');
        table = verb === 'delete' ? undefined : (table ?? new ModelTable());
      } else {
        if (table === undefined) throw new Error('no table');
        table.change(verb, kind, object as Attributes);
      }
    }
    table?.checkReferences();
    return table;
  }

  private copy(): ModelTable {
    const copy = new ModelTable();
    copy.sets = structuredClone(this.sets);
    copy.chains = structuredClone(this.chains);
    return copy;
  }

  private change(verb: Verb, kind: string, object: Attributes): void {
    const { family: _family, table: _table, ...attributes } = object;
    const { name } = object;
    if (verb === 'add') this.add(kind, attributes as Attributes);
    else if (kind === 'element') this.deleteElements(name, attributes.elem as unknown[]);
    else if (kind === 'set') {
      const set = found(this.sets, name);
      if (verb === 'delete') this.sets.delete(name);
      else set.elements = [];
    } else {
      const chain = found(this.chains, name);
      if (verb === 'flush') chain.rules = [];
      else if (chain.rules.length > 0) throw new Error(`chain ${name} is in use`);
      else this.chains.delete(name);
    }
  }

  private add(kind: string, attributes: Attributes): void {
    const { name } = attributes;
    if (kind === 'set') this.addSet(attributes);
    else if (kind === 'chain') this.addChain(attributes);
    else if (kind === 'element')
      found(this.sets, name).elements.push(...(attributes.elem as unknown[]));
    else {
      const { chain, ...rule } = attributes;
      found(this.chains, chain as string).rules.push(rule);
    }
  }

  private deleteElements(name: string, elements: readonly unknown[]): void {
    const set = found(this.sets, name);
    for (const element of elements) {
      const left = set.elements.filter((one) => !same(one, element));
      if (left.length === set.elements.length) throw new Error('element does not exist');
      set.elements = left;
    }
  }

  private addSet(attributes: Attributes): void {
    const { name } = attributes;
    const there = this.sets.get(name);
    // The kernel has given it a flag that JSON cannot express.
    if (there && isDynamic(attributes)) throw new Error(`set ${name} exists`);
    if (there && !same(there.attributes, attributes)) throw new Error(`set ${name} is another`);
    if (!there) this.sets.set(name, { attributes, elements: [] });
  }

  private addChain(attributes: Attributes): void {
    const there = this.chains.get(attributes.name);
    if (there && !same(there.attributes, attributes) && 'hook' in attributes)
      throw new Error(`chain ${attributes.name} has another hook`);
    if (!there) this.chains.set(attributes.name, { attributes, rules: [] });
  }

  /** What a rule names must be there. */
  private checkReferences(): void {
    const rules = JSON.stringify([...this.chains.values()].map((chain) => chain.rules));
    for (const [, name] of rules.matchAll(/"@(\w+)"/g)) found(this.sets, name!);
    for (const [, name] of rules.matchAll(/"target":"(\w+)"/g)) found(this.chains, name!);
  }

  /** What `nft -j -t list` prints, with the elements that `observeTable` asks for. */
  list(): NftAnswer {
    const of = { family: 'inet', table: 'sidetrack' };
    const entries = [
      ...[...this.sets.values()].map(({ attributes, elements }) => ({
        set: { ...of, ...attributes, handle: 1, ...(!isDynamic(attributes) && { elem: elements }) },
      })),
      ...[...this.chains.values()].map(({ attributes }) => ({ chain: { ...of, ...attributes } })),
      ...[...this.chains].flatMap(([chain, { rules }]) =>
        rules.map((rule) => ({ rule: { ...of, chain, handle: 1, ...rule } })),
      ),
    ];
    return { nftables: entries as unknown as RawEntry[] };
  }

  snapshot() {
    const sorted = [...this.sets].map(([name, { attributes, elements }]) => {
      const texts = elements.map((element) => JSON.stringify(element)).sort();
      return [name, { attributes, elements: texts }] as const;
    });
    return { sets: byName(new Map(sorted)), chains: byName(this.chains) };
  }
}

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
const isDynamic = ({ flags = [] }: Attributes) => (flags as string[]).includes('timeout');
const byName = <T>(map: ReadonlyMap<string, T>) => Object.fromEntries([...map].sort());

function found<T>(map: ReadonlyMap<string, T>, name: string): T {
  const object = map.get(name);
  if (object === undefined) throw new Error(`no ${name}`);
  return object;
}
