/** Rule providers of Clash, Surge and their kin: rules a line, or below `payload:`, or networks alone. */
import type { At, Gathering } from '../gathering.js';
import type { ListChoice } from './choice.js';
import { linesOf } from './lines.js';

const NAMES =
  /^(?:DOMAIN|HOST|URL|USER-AGENT|PROCESS|GEOSITE|PACKAGE)[\w-]*$|^(?:\+\.|\*\.|\.)?[\w*-]+(?:\.[\w*-]+)*\.?$/i;
const OTHERS =
  /^(?:SRC-|DST-PORT|DEST-PORT|IN-|GEOIP|IP-ASN|IP-SUFFIX|RULE-SET|NETWORK|DSCP|UID|AND|OR|NOT|SUB-RULE|MATCH|FINAL|SCRIPT|PROTOCOL|SUBNET)/i;
const MOST_TOLD = 4;
/** As YAML can have it, too; an empty one is no mistake of its writer. */
const IN_ONE_LINE = /^payload\s*:\s*\[\s*[^\s\]]/i;
const ONE_LINE = {
  message: 'the rules stand in one line, between brackets',
  hint: 'take the list with one rule a line',
};
/** What may stand behind the network. */
const FLAGS = new Set(['no-resolve', 'extended-matching', 'src']);

export function readClash(file: string, text: string, _choice: ListChoice, found: Gathering): void {
  const policies = new Map<string, At>();
  for (const { text: line, at } of linesOf(file, text)) {
    if (IN_ONE_LINE.test(line)) found.refuse(line, ONE_LINE, at);
    const content = contentOf(line);
    if (content.includes(',')) rule(content, at, found, policies);
    else if (content !== '') alone(content, at, found);
  }
  const [, second] = [...policies.values()];
  if (second !== undefined)
    found.refuse(
      '',
      {
        message: `the rules have several actions: ${[...policies.keys()].join(', ')}`,
        hint: 'take a list that stands for one thing, not a whole configuration',
      },
      second,
    );
}

/** Without the marks of YAML, quotes and comments. */
function contentOf(line: string): string {
  if (/^(?:[#;]|\/\/|payload\s*:|---$|rules\s*:\s*$|\[[\w ]+\]$)/i.test(line)) return '';
  const item = withoutComment(line.replace(/^-\s+/, ''));
  const [quote = ''] = item;
  const quoted = /["']/.test(quote) && item.endsWith(quote) && item.length > 1;
  return (quoted ? item.slice(1, -1) : item).trim();
}

/** A pattern would look at each of many blanks anew. */
function withoutComment(item: string): string {
  if (!item.includes('#') && !item.includes('//')) return item;
  const ends = [' #', '\t#', ' //', '\t//'].map((mark) => item.indexOf(mark));
  const end = Math.min(...ends.filter((one) => one >= 0));
  return Number.isFinite(end) ? item.slice(0, end).trim() : item;
}

function rule(content: string, at: At, found: Gathering, policies: Map<string, At>): void {
  const [type = '', value, ...rest] = content.split(',').map((part) => part.trim());
  if (/^IP6?-CIDR6?$/i.test(type) && value !== undefined) {
    if (rest.some((flag) => flag.toLowerCase() === 'src')) found.leave('others', OTHER_RULES, at);
    else found.take(value, at);
    const policy = rest.find((word) => !FLAGS.has(word.toLowerCase()))?.slice(0, 40);
    if (policy !== undefined && policies.size < MOST_TOLD && !policies.has(policy))
      policies.set(policy, at);
  } else if (OTHERS.test(type) && value !== undefined) found.leave('others', OTHER_RULES, at);
  else if (NAMES.test(type)) found.leave('names', NAMES_LEFT, at);
  else found.refuse(content, NO_RULE, at);
}

/** Lists of networks, or of names, have no words before them. */
function alone(content: string, at: At, found: Gathering): void {
  if (ADDRESS.test(content)) found.take(content, at);
  else if (NAMES.test(content)) found.leave('names', NAMES_LEFT, at);
  else found.refuse(content, NO_RULE, at);
}

const NO_RULE = { message: 'this is no rule of an address' };

const ADDRESS = /^(?:[0-9.]+|[0-9a-f]*:[0-9a-f.:]*)(?:\/\d+)?$/i;
const NAMES_LEFT = {
  message: 'a rule for names or programs: sidetrack judges addresses and sees no names',
};
const OTHER_RULES = { message: 'a rule that is not for a destination address' };
