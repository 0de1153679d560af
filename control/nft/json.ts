/**
 * The part of libnftables-json(5) that sidetrack speaks, as types and small constructors.
 * What nft 1.0.6 cannot say in JSON and we therefore do without: the set flag `dynamic` (nft adds it
 * itself when a rule updates the set), `auto-merge`, `destroy`.
 */

export type Expression =
  | string
  | number
  | boolean
  | { payload: { protocol: string; field: string } }
  /** Bits behind any header. */
  | { payload: { base: 'nh' | 'th'; offset: number; len: number } }
  | { meta: { key: string } }
  | { ct: { key: 'zone'; dir: 'original' } | { key: 'state' } }
  | { exthdr: { name: string; field?: string } }
  | { fib: { result: 'type' | 'oif' | 'oifname'; flags: string[] } }
  | { concat: Expression[] }
  | { '&': [Expression, Expression | string[]] }
  | { '|': [Expression, Expression] }
  | { set: Expression[] }
  | { range: [string | number, string | number] }
  | { prefix: { addr: string; len: number } }
  | { elem: { val: Expression; timeout: number } }
  /** The kernel's hash of these fields, scaled to 0 … mod − 1. */
  | { jhash: { mod: number; seed: number; expr: Expression } }
  | { rt: { key: 'nexthop'; family: 'ip' | 'ip6' } };

/** Packets within a rate, or with `inv` those over it; nft keeps one for each element of a set. */
export interface Limit {
  limit: { rate: number; per: 'minute' | 'hour'; burst: number; inv?: true };
}

export type Statement =
  | { match: { op: '==' | '!=' | '>=' | 'in'; left: Expression; right: Expression } }
  | { counter: { packets: number; bytes: number } }
  | {
      set: { op: 'add' | 'update' | 'delete'; elem: Expression; set: string; stmt?: Limit[] };
    }
  | { mangle: { key: Expression; value: Expression } }
  | { dnat: { family: 'ip' | 'ip6'; addr: string; port: number } }
  | { tproxy: { port: number } }
  | { reject: { type: 'tcp reset' } }
  | { goto: { target: string } }
  | { vmap: { key: Expression; data: { set: [Expression, Statement][] } } }
  | { jump: { target: string } }
  | { notrack: null }
  | { accept: null }
  | { drop: null }
  | { return: null };

export interface Rule {
  comment?: string;
  expr: Statement[];
}

/** A chain; with a hook it is a base chain, whose type, hook and priority never change. */
export interface Chain {
  name: string;
  hook?: {
    type: 'filter' | 'nat';
    hook: 'prerouting' | 'input' | 'forward' | 'output';
    prio: number;
  };
  rules: Rule[];
}

export interface NftSet {
  name: string;
  type: string | string[];
  flags?: ('interval' | 'timeout')[];
  size?: number;
  /** Seconds. */
  timeout?: number;
  /**
   * Absent: filled by packets, so an apply never touches its elements. Where there is a time-out, too, packets
   * add others beside these (`LEARNED_MACS`).
   */
  elements?: Expression[];
  /** What a set that is filled by packets begins with. */
  seeds?: Seed[];
}

/** An element for a few seconds, until packets renew it: when the set is made, or this chain is written anew. */
export interface Seed {
  element: number;
  chain: string;
}

export interface Table {
  family: 'inet';
  name: string;
  sets: NftSet[];
  chains: Chain[];
}

/** One entry of the `nftables` array. */
export type Command = Record<string, Record<string, unknown>>;

/**
 * Runs a transaction that stands on standard input. `-` would stand for /dev/stdin, which OpenWrt does not have.
 * What it names must not be a socket.
 */
export const NFT_RUN: readonly string[] = ['nft', '-j', '-f', '/proc/self/fd/0'];

/** What `NFT_RUN` reads. */
export interface Transaction {
  nftables: Command[];
}

export const payload = (protocol: string, field: string): Expression => ({
  payload: { protocol, field },
});

export const equal = (left: Expression, right: Expression): Statement => ({
  match: { op: '==', left, right },
});

export const notEqual = (left: Expression, right: Expression): Statement => ({
  match: { op: '!=', left, right },
});

export const goto = (target: string): Statement => ({ goto: { target } });

export const jump = (target: string): Statement => ({ jump: { target } });

export const counter = (): Statement => ({ counter: { packets: 0, bytes: 0 } });

/** What the routing table says of the destination (`fib daddr type`). */
export const DADDR_TYPE: Expression = { fib: { result: 'type', flags: ['daddr'] } };

/** Destinations that are the machine's own or a group: never handed over. */
export const NOT_UNICAST: Expression = { set: ['local', 'broadcast', 'anycast', 'multicast'] };
