// classifier.mjs COMMAND: the classifier's four calls from inside a node of the lab.
// Options come as JSON on standard input; the result goes out as JSON, an error as { error }.
import { readFileSync } from 'node:fs';
import { attachClassifier, detachClassifier } from '../../../build/bpf/classifier.js';
import { showClassifier } from '../../../build/bpf/state.js';
import { readStats } from '../../../build/bpf/stats.js';
import { parseAddress } from '../../../build/control/config/address.js';
import { PrefixSet } from '../../../build/control/policy/prefix-set.js';

const [command] = process.argv.slice(2);
const options = JSON.parse(readFileSync(0, 'utf8'));

function rule({ to, from, ...rest }) {
  return {
    ...rest,
    ...(to && { to: PrefixSet.parse(...to) }),
    ...(from && { from: { addresses: PrefixSet.parse(...from), macs: [] } }),
  };
}

function attach({ rules, steering, otherwise = 'direct', ...rest }) {
  const hops = ({ v4, v6 }) => ({ v4: parseAddress(v4), v6: parseAddress(v6) });
  return attachClassifier({
    ...rest,
    policy: { rules: rules.map(rule), default: otherwise },
    steering: {
      ...steering,
      targets: steering.targets.map((target) => ({ ...target, nextHop: hops(target.nextHop) })),
      serverAddresses: steering.serverAddresses.map(parseAddress),
    },
  });
}

const COMMANDS = {
  attach: () => attach(options),
  detach: () => detachClassifier(options.directory),
  show: () => showClassifier(options.directory),
  stats: () => readStats(options.directory),
};

try {
  console.log(JSON.stringify({ result: (await COMMANDS[command]()) ?? null }));
} catch (error) {
  console.log(JSON.stringify({ error: { code: error.code ?? null, message: String(error) } }));
}
