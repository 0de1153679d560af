/**
 * The devices that XDP sits on. A bridge itself receives nothing from a driver: its ports do, and
 * of what they receive only frames to the bridge's own address are for the router.
 */
import { spawnSync } from 'node:child_process';
import { z } from 'zod';
import { ClassifierError } from './error.js';
import { requireEthernet } from './interface.js';

export interface Port {
  name: string;
  ifindex: number;
  /** The interface that routes what comes in here: this one, or its bridge. */
  router: number;
  /** The router interface's link address. */
  mac: string;
}

/** Where XDP sends to a server. */
export interface XdpExit {
  /** The device behind which the server is. */
  ifindex: number;
  /** How the device was found, where it is a bridge's port: another one may be right tomorrow. */
  heard?: Heard;
}

/** Where XDP takes frames in and where it sends them out. */
export interface XdpWay {
  /** For each target; undefined for one that was not heard, whose packets XDP leaves to tc. */
  exits: readonly (XdpExit | undefined)[];
  ports: readonly Port[];
}

/** On which port a bridge heard the server. */
export interface Heard {
  bridge: string;
  mac: string;
  port: string;
}

const link = z.object({
  ifname: z.string(),
  ifindex: z.int(),
  address: z.string(),
  linkinfo: z.object({ info_kind: z.string().optional() }).optional(),
});

type Link = z.output<typeof link>;

const neighbour = z.object({ mac: z.string(), ifname: z.string() });

function ask<T>(schema: z.ZodType<T>, program: string, ...args: string[]): T[] {
  const { status, stdout, stderr } = spawnSync(program, ['-j', ...args], { encoding: 'utf8' });
  const answer = status === 0 ? parsed(stdout || '[]', z.array(schema)) : undefined;
  if (answer !== undefined) return answer;
  const said =
    stderr.trim().split('\n')[0] || (status === 0 ? 'no JSON that is known here' : status);
  throw new ClassifierError(`${program} ${args.join(' ')}: ${said}`, {
    code: 'iproute2',
    source: 'host',
    hint: 'install the full iproute2 (Debian: apt-get install iproute2; OpenWrt: opkg install ip-full ip-bridge)',
  });
}

/** Undefined where it is none, or another: BusyBox and old versions print text. */
function parsed<T>(text: string, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function linkOf(name: string): Link {
  requireEthernet(name);
  return ask(link, 'ip', '-d', 'link', 'show', 'dev', name)[0]!;
}

const isBridge = ({ linkinfo }: Link) => linkinfo?.info_kind === 'bridge';

export function portsOf(name: string): Port[] {
  const own = linkOf(name);
  const devices = isBridge(own) ? ask(link, 'ip', 'link', 'show', 'master', name) : [own];
  return devices.map(({ ifname, ifindex }) => ({
    name: ifname,
    ifindex,
    router: own.ifindex,
    mac: own.address,
  }));
}

/** The port on which the bridge last heard one of `macs`, if it remembers. */
export function hear(bridge: string, macs: readonly string[]): Heard | undefined {
  const entries = ask(neighbour, 'bridge', 'fdb', 'show', 'br', bridge);
  const entry = entries.find(({ mac, ifname }) => macs.includes(mac) && ifname !== bridge);
  return entry && { bridge, mac: entry.mac, port: entry.ifname };
}

/** A server, as XDP has to find it. */
interface XdpTarget {
  redirectInterface: string;
  macs: readonly string[];
}

/** Where frames to the server leave: behind a bridge, the port on which it was last heard, if it was. */
function towards({ redirectInterface: name, macs }: XdpTarget): XdpExit | undefined {
  const own = linkOf(name);
  if (!isBridge(own)) return { ifindex: own.ifindex };
  const heard = hear(name, macs);
  return heard && { ifindex: linkOf(heard.port).ifindex, heard };
}

/** One server that is switched off must not keep the others from being changed; all of them are a mistake. */
export function findExits(
  targets: readonly XdpTarget[],
  find: (target: XdpTarget) => XdpExit | undefined = towards,
): XdpWay['exits'] {
  const exits = targets.map(find);
  const [first] = targets;
  if (first === undefined || exits.some((exit) => exit !== undefined)) return exits;
  const { redirectInterface: name } = first;
  const which = targets.length === 1 ? 'the' : 'a';
  throw new ClassifierError(`no port of ${name} has heard ${which} server yet`, {
    code: 'xdp-port-unknown',
    source: 'host',
    hint: `ping the server, then look: bridge fdb show br ${name}`,
  });
}

/** @param targets interface to each server, and its MACs. */
export function findXdpWay(interfaces: readonly string[], targets: readonly XdpTarget[]): XdpWay {
  return { exits: findExits(targets), ports: interfaces.flatMap(portsOf) };
}
