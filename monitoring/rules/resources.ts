/** Alerts about what runs out on a server. */
import { selector } from '../promql.js';
import { increase } from './promql.js';
import { RECORDED } from './recording.js';
import type { AlertRule, Settings } from './rule.js';

const RELAY = '{{ $labels.instance }}';
const USED = '{{ $value | humanizePercentage }}';

/** Without these no newcomer is served; without pipes bytes are copied. */
const ESSENTIAL = ['connections', 'descriptors', 'conntrack'] as const;
const PIPES = ['pipes', 'pipe_pages'] as const;
const WANTING = ['no_ports', 'no_descriptors', 'no_memory'] as const;

const used = (resources: readonly string[]) =>
  `${RECORDED.resources}{resource=~"${resources.join('|')}"}`;

export const resourceAlerts = ({ minutes, ceiling }: Settings): AlertRule[] => [
  {
    name: 'SidetrackOutOfResources',
    severity: 'critical',
    expr: `${increase(selector('relayConnectErrors', { reason: { matches: WANTING.join('|') } }), minutes(5))} > 0`,
    lasts: 5,
    summary: 'Connections fail, because the relay has run out of something.',
    description: `The relay ${RELAY} could not connect {{ $value | humanize }} times in five minutes: {{ $labels.reason }}.`,
  },
  {
    name: 'SidetrackHeadRoom',
    severity: 'warning',
    expr: `${used(ESSENTIAL)} > ${ceiling}`,
    holds: 5,
    summary: 'A limit of the relay is near.',
    description: `The relay ${RELAY} uses ${USED} of its {{ $labels.resource }}.`,
  },
  {
    name: 'SidetrackPipesShort',
    severity: 'info',
    expr: `${used(PIPES)} > ${ceiling}`,
    holds: 5,
    summary: 'The relay has hardly any pipes left, so bulk is copied.',
    description: `The relay ${RELAY} uses ${USED} of its {{ $labels.resource }}.`,
  },
];
