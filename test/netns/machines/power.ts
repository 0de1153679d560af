/** What a node's kernel has after a power loss: what its own system makes when it starts, and nothing of others. */
import type { Lab } from '../../../control/lab/lab.js';
import type { Interface, Node } from '../../../control/lab/topology.js';

const SYSCTLS = ['sh', '-c', 'grep -rHs "" /proc/sys/net | grep -v fastopen_key'];

/** Lines of `path:value`, to be handed to `forgetNetwork` later. */
export const sysctlsOf = (lab: Lab, node: string): Promise<string> => lab.check(node, SYSCTLS);

/** Without addresses there are no routes, but for those that lead nowhere. Rules of priority 0 always stay. */
const FORGET = `nft flush ruleset
for family in -4 -6; do
  ip $family rule flush
  ip $family rule add priority 32766 table main protocol kernel
  for type in unreachable blackhole prohibit; do ip $family route flush table all type $type; done
done
ip -4 rule add priority 32767 table default protocol kernel
ip -o link | sed 's/^[0-9]*: \\([^:@]*\\).*/\\1/' | while read -r link; do
  tc qdisc del dev "$link" clsact 2>/dev/null
  ip address flush dev "$link"
  ip link set "$link" down
done
:`;

/** Standard input is sysctls, one a line. */
const WRITE = `while IFS== read -r path value; do echo "$value" >"$path"; done 2>/dev/null; :`;

const linesOf = (text: string) => text.split('\n').filter(Boolean);

/** Interfaces without addresses, and down. @param sysctls as `sysctlsOf` gives them */
export async function forgetNetwork(lab: Lab, node: string, sysctls: string): Promise<void> {
  await lab.check(node, ['sh', '-c', FORGET]);
  // What is written to `default` goes on to interfaces whose own has never been written, and only to those.
  await writeBack(
    lab,
    node,
    linesOf(sysctls).filter((line) => /\/conf\/(all|default)\//.test(line)),
  );
  await writeBack(lab, node, linesOf(sysctls));
}

/** What the node's own system makes when it starts. */
export async function makeNetwork(lab: Lab, node: string): Promise<void> {
  const made = lab.topology.nodes.find(({ name }) => name === node)!;
  await lab.check(node, ['ip', '-batch', '-'], { stdin: addressLines(made) });
  await lab.check(node, ['ip', '-batch', '-'], { stdin: `${made.routes.map(added).join('\n')}\n` });
  if (made.ruleset) await lab.check(node, ['nft', '-f', '-'], { stdin: made.ruleset });
}

/** Those of the lines that are different now. */
async function writeBack(lab: Lab, node: string, lines: readonly string[]): Promise<void> {
  const now = new Set(linesOf(await sysctlsOf(lab, node)));
  const changed = lines.filter((line) => !now.has(line));
  const stdin = changed.map((line) => `${line.replace(':', '=')}\n`).join('');
  await lab.check(node, ['sh', '-c', WRITE], { stdin });
}

const added = (route: string) => `route replace ${route}`;

function addressLines({ interfaces, bridges = [], loopback = [] }: Node): string {
  const lines = [
    'link set lo up',
    ...loopback.map((address) => `address add ${address} dev lo`),
    ...[...interfaces, ...bridges].flatMap(interfaceLines),
  ];
  return `${lines.join('\n')}\n`;
}

function interfaceLines({ name, addresses }: Interface): string[] {
  return [
    `link set ${name} up`,
    ...addresses.map((address) => `address add ${address} dev ${name}`),
  ].map((line) => (/address .*:/.test(line) ? `${line} nodad` : line));
}
