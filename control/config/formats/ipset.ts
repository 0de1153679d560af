/** What `ipset save` prints: `create NAME TYPE …`, `add NAME ENTRY …`. */
import type { At, Gathering } from '../gathering.js';
import type { ListChoice } from './choice.js';
import { linesOf } from './lines.js';
import { MOST_SETS, manySets } from './several.js';

/** By blanks alone: a pattern that can divide a line in many ways takes the cube of its length. */
function wordsOf(line: string): [verb: string, name: string, entry: string, rest: string] {
  const words = line.split(/\s+/);
  if (words[0] === 'ipset') words.shift();
  if (words[1] === '-exist' || words[1] === '-!') words.splice(1, 1);
  const [verb = '', name = '', entry = '', ...rest] = words;
  return [verb, name, entry, rest.join(' ')];
}

export function readIpset(
  file: string,
  text: string,
  { sourceSet }: ListChoice,
  found: Gathering,
): void {
  const names = new Map<string, At>();
  const listsOfSets = new Set<string>();
  for (const { text: line, at } of linesOf(file, text)) {
    if (line.startsWith('#')) continue;
    const [verb, name, entry, rest] = wordsOf(line);
    switch (verb) {
      case 'create':
      case '-N':
        if (entry === 'list:set' && listsOfSets.size < MOST_SETS) listsOfSets.add(name);
        break;
      case 'add':
      case '-A':
        if (listsOfSets.has(name) || (sourceSet !== undefined && name !== sourceSet)) break;
        if (!names.has(name) && names.size < MOST_SETS) names.set(name, at);
        takeEntry(line, entry, rest, at, found);
        break;
      case 'flush':
      case '-F':
      case 'destroy':
      case '-X':
        break;
      default:
        if (!/^(?:COMMIT|quit)$/.test(line))
          found.refuse(line, { message: 'this is no line of a saved ipset' }, at);
    }
  }
  manySets([...names], found);
}

function takeEntry(line: string, entry: string, rest: string, at: At, found: Gathering): void {
  if (/(?:^|\s)nomatch(?:\s|$)/.test(rest))
    found.refuse(
      line,
      {
        message: 'the set has exceptions (nomatch)',
        hint: 'a list has none: give them a set of their own, and a rule before',
      },
      at,
    );
  else if (entry.includes(','))
    found.refuse(
      line,
      {
        message: 'the set has more than addresses in it',
        hint: 'ports and interfaces of a list are not understood: take a set of type hash:net or hash:ip',
      },
      at,
    );
  else found.take(entry, at);
}
