/** What a list is by its first lines: the format that reads it, or why nothing can. */
import type { Problem } from './diagnostic.js';
import type { ListFormat } from './formats/choice.js';
import { columnsOf } from './formats/csv.js';

interface Foreign {
  /** Of the first line that is no comment. */
  line: RegExp;
  problem: Problem;
}

const NO_NAMES = 'sidetrack judges addresses and never sees names; take a list of networks';

/** No reader makes addresses of these. */
const FOREIGN: readonly Foreign[] = [
  {
    line: /^<|^(?:HTTP\/|\d{3}:? )?(?:not found|forbidden|too many requests|rate limit|bad gateway|service unavailable)/i,
    problem: {
      message: 'the file is what a web server said, not a list',
      hint: 'fetch it again, and look at it before it takes the place of the last good one (curl --fail)',
    },
  },
  {
    line: /^(?:server|local|address|rev-server|nftset|ipset|domain|bogus-nxdomain)=/,
    problem: {
      message: 'the file is written for dnsmasq: it names domains, and domains are not addresses',
      hint: NO_NAMES,
    },
  },
  {
    line: /^(?:domain|full|regexp|keyword|geosite):|^\|\|/,
    problem: { message: 'the file is a list of names, not of addresses', hint: NO_NAMES },
  },
  {
    line: /^[^|]*:\d+\.\d+\.\d+\.\d+-\d+\.\d+\.\d+\.\d+$/,
    problem: { message: 'the lines begin with names', hint: `take them off: sed 's/.*://'` },
  },
];

interface Known {
  format: ListFormat;
  line: RegExp;
}

const KNOWN: readonly Known[] = [
  { format: 'json', line: /^[{[]\s*(?:["[{\]}]|$)/ },
  {
    format: 'nft',
    line: /^(?:define\s+\S+\s*=|(?:add\s+)?(?:table|set|element)\s+.*\{|flush\s+(?:ruleset|set|table)|elements\s*=|include\s)/,
  },
  {
    format: 'clash',
    line: /^(?:(?:payload|rules)\s*:|-\s+\S|(?:IP-CIDR6?|IP6-CIDR|IP-ASN|GEOIP|SRC-IP-CIDR|(?:DOMAIN|HOST)(?:-\w+)*|PROCESS-NAME|USER-AGENT|URL-REGEX|DST-PORT|DEST-PORT|AND|OR|NOT),)/i,
  },
  {
    format: 'ipset',
    line: /^(?:ipset\s+)?(?:(?:create|-N)\s+\S+\s+(?:hash|bitmap|list):|(?:add|-A)\s+(?:-exist\s+|-!\s+)?[\w.-]+\s+[\da-f.:/-]+(?:\s|$))/i,
  },
  { format: 'delegated', line: /^[\w.-]+\|(?:[A-Z]{2}|\*?)\|(?:ipv4|ipv6|asn)\|/ },
  { format: 'delegated', line: /^[\d.]+\|(?:apnic|ripencc|ripe|arin|lacnic|afrinic|iana|nro)\|/ },
];

/** Longer than any first line that says what the file is. */
const MOST_LOOKED_AT = 4096;

/** @returns undefined where the line may well be a slip in what is a list otherwise. */
export function formatProblem(line: string): Problem | undefined {
  const start = line.slice(0, MOST_LOOKED_AT);
  return FOREIGN.find((foreign) => foreign.line.test(start))?.problem;
}

/** @param line the first one that is no comment */
export function formatOf(line: string): ListFormat {
  const start = line.slice(0, MOST_LOOKED_AT);
  if (formatProblem(start) !== undefined) return 'plain';
  const known = KNOWN.find((one) => one.line.test(start));
  if (known !== undefined) return known.format;
  return start.includes(',') && columnsOf(start) !== undefined ? 'csv' : 'plain';
}
