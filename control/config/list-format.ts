/** Files that are as a whole no list of entries: told once, with the command that makes one of them. */
import { rangeByCount } from './column-list.js';
import type { Problem } from './diagnostic.js';

interface Format {
  /** Of the first line that is no entry. */
  line: RegExp;
  problem: (match: RegExpExecArray) => Problem;
}

const told = (message: string, hint: string) => () => ({ message, hint });

const NO_NAMES = 'sidetrack judges addresses and never sees names; take a list of networks';

/** Words of an address's characters, one a line. */
const WORDS = `tr -s ' \\t,{}' '\\n' | grep -E '^[0-9A-Fa-f.:/-]*[.:][0-9A-Fa-f.:/-]*$'`;

/** IPv4 by count, IPv6 by length (RIR statistics exchange format). */
function delegated(match: RegExpExecArray): Problem {
  const country = /^[A-Z]{2}$/.test(match[1] ?? '') ? match[1] : 'CN';
  const v4 = `/\\|ipv4\\|[0-9.]+\\|/ {${rangeByCount('$4', '$5')}}`;
  const v6 = '/\\|ipv6\\|.*:/ {print $4 "/" $5}';
  return {
    message: 'the file is the statistics of a routing registry, not a list',
    hint: `convert it, here of ${country}: grep '|${country}|' | awk -F'|' '${v4} ${v6}'`,
  };
}

const FORMATS: readonly Format[] = [
  {
    line: /^<|^(?:HTTP\/|\d{3}:? )?(?:not found|forbidden|too many requests|rate limit|bad gateway)/i,
    problem: told(
      'the file is what a web server said, not a list',
      'fetch it again, and look at it before it takes the place of the last good one (curl --fail)',
    ),
  },
  {
    line: /^[{[]\s*(?:["[{]|$)/,
    problem: told(
      'the file is JSON, not a list',
      `leave away the parts that you do not mean, and take the networks out: grep -oE '"[0-9A-Fa-f.:]+/[0-9]+"' | tr -d '"'`,
    ),
  },
  {
    line: /^(?:define\s+\S+\s*=|(?:add\s+)?(?:table|set|element)\s+.*\{|flush\s|elements\s*=|include\s)/,
    problem: told(
      'the file is written for nft, not a list',
      `keep the elements of the set that you mean, one a line: ${WORDS}`,
    ),
  },
  {
    line: /^(?:server|local|address|rev-server|nftset|ipset|domain|bogus-nxdomain)=/,
    problem: told('the file is written for dnsmasq, not a list', NO_NAMES),
  },
  {
    line: /^(?:domain|full|regexp|keyword|geosite|DOMAIN(?:-\w+)?)[:,]|^\|\|/,
    problem: told('the file is a list of names, not of addresses', NO_NAMES),
  },
  {
    line: /^IP-CIDR6?,/,
    problem: told(
      'the file is a list of rules for another proxy',
      "keep the networks of those that you mean: awk -F, '/^IP-CIDR/ {print $2}'",
    ),
  },
  {
    line: /^(?:create|-N) \S+ (?:hash|bitmap|list):/,
    problem: told(
      'the file is a saved ipset, not a list',
      `convert it: awk '$1 == "add" {print /nomatch/ ? $0 : $3}'`,
    ),
  },
  { line: /^[\w.-]+\|([A-Z]{2}|\*?)\|(?:ipv4|ipv6|asn)\|/, problem: delegated },
  { line: /^[\d.]+\|(?:apnic|ripencc|arin|lacnic|afrinic|iana)\|/, problem: delegated },
  {
    line: /^network,(?:geoname_id|autonomous_system_number)/,
    problem: told(
      'the file has columns and all countries or networks, it is not a list',
      `keep the rows with the number that you mean in place of ID: awk -F, '$2 == "ID" {print $1}'`,
    ),
  },
  {
    line: /^[^|]*:\d+\.\d+\.\d+\.\d+-\d+\.\d+\.\d+\.\d+$/,
    problem: told('the lines begin with names', `take them off: sed 's/.*://'`),
  },
  {
    line: /^"?\d{7,10}"?,"?\d{7,10}"?(?:,|$)/,
    problem: told('the addresses are written as numbers', 'write them with dots, as ranges'),
  },
];

/** @returns undefined where the line may well be a slip in what is a list otherwise. */
export function formatProblem(line: string): Problem | undefined {
  for (const format of FORMATS) {
    const match = format.line.exec(line);
    if (match !== null) return format.problem(match);
  }
  return undefined;
}
