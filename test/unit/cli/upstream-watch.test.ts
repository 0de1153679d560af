/** One line when an upstream goes into backoff and one when it is back, never one for each connection. */
import { describe, expect, it } from 'vitest';
import { upstreamChanges } from '../../../control/cli/relay/upstream-watch.js';
import { outcomes, upstreamCounterOffset } from '../../../proxy/abi.js';
import type { Outcome, UpstreamStats } from '../../../proxy/stats.js';
import type { Family } from '../../../proxy/upstreams.js';

const mapCounters = () =>
  Object.fromEntries(Object.keys(upstreamCounterOffset).map((name) => [name, 0])) as Record<
    keyof typeof upstreamCounterOffset,
    number
  >;

/** Tells the state of an upstream named vps at a time, in seconds. */
function watch(credential?: string) {
  const changes = upstreamChanges(() => credential);
  const none = Object.fromEntries(outcomes.map((name) => [name, 0])) as Record<Outcome, number>;
  return (
    seconds: number,
    isBackedOff: boolean,
    errors: Partial<Record<Outcome, number>> = {},
    failedProbes = 0,
    more: Partial<UpstreamStats> = {},
    refused: Family[] = [],
  ) =>
    changes(
      {
        refused,
        backedOff: isBackedOff ? ['vps'] : [],
        upstreams: [
          {
            name: 'vps',
            counters: { ...mapCounters(), probes_failed: failedProbes },
            up: !isBackedOff,
            resting: isBackedOff,
            resolved: true,
            silent: false,
            lacking: [],
            forbiddenPorts: [],
            ...more,
            errors: { ...none, ...errors },
          },
        ],
      },
      seconds * 1000,
    ).join('\n');
}

describe('an upstream', () => {
  it('that wants other credentials is named once, with what to do', () => {
    const look = watch();
    expect(look(1, false)).toBe('');
    expect(look(2, true, { upstream_auth: 1 })).toMatch(
      /upstream "vps" is in backoff: it wants other credentials \(upstream_auth\)\n.*password_file/,
    );
    for (let n = 2; n < 500; n++) expect(look(n, true, { upstream_auth: n })).toBe('');
  });

  it('whose password systemd has read is told where that comes from, and to start again', () => {
    const look = watch('/etc/sidetrack/vps.pass');
    const line = look(2, true, { upstream_auth: 1 });
    expect(line).toContain('/etc/sidetrack/vps.pass, which systemd read');
    expect(line).toContain('systemctl restart sidetrack-relay');
    expect(line).not.toContain('SIGHUP');
    expect(watch('/x')(2, true, { refused: 1 })).not.toContain('systemctl');
  });

  it('is said to be back', () => {
    const look = watch();
    expect(look(1, true, { refused: 3 })).toContain('it refuses connections (refused)');
    expect(look(2, false, { refused: 3 })).toBe('upstream "vps" is back');
    expect(look(3, false, { refused: 3 })).toBe('');
  });

  it('is in backoff for the reason that was counted last, also if that was before the last look', () => {
    const look = watch();
    expect(look(1, false, { timeout: 4 })).toBe('');
    expect(look(2, false, { timeout: 4, upstream_auth: 1 })).toBe('');
    expect(look(3, true, { timeout: 4, upstream_auth: 1 })).toContain('(upstream_auth)');
  });

  it('is in backoff for a probe that failed, whatever clients had met before', () => {
    const look = watch();
    expect(look(1, false, { refused: 1 })).toBe('');
    expect(look(2, true, { refused: 1 }, 1)).toMatch(/in backoff: .*relay\.probe.* \(probe\)/);
  });

  it('that comes and goes is mentioned once a minute', () => {
    const look = watch();
    const lines = [];
    for (let n = 0; n < 240; n++) lines.push(look(n, n % 2 === 0, { refused: n }));
    expect(lines.filter((line) => line.includes('in backoff'))).toHaveLength(4);
    expect(lines.filter((line) => line.includes('is back'))).toHaveLength(4);
  });

  it('that says yes and hangs up is named so', () => {
    const look = watch();
    expect(look(1, false, { refused: 1 })).toBe('');
    expect(look(2, true, { refused: 1 }, 0, { silent: true })).toMatch(
      /in backoff: it accepts requests, then hangs up without a byte \(silence\)\n.*relay\.probe/,
    );
  });

  it('that has a rule against a port is named once for each, with the route to write', () => {
    const look = watch();
    const ports = (...forbiddenPorts: number[]) => ({ forbiddenPorts });
    expect(look(1, false, {}, 0, ports(80))).toMatch(/to port 80 .*\n.*\{ port: 80, upstreams/);
    expect(look(2, false, {}, 0, ports(80))).toBe('');
    expect(look(3, false, {}, 0, ports(80, 25))).toMatch(/^[^\n]*to port 25 /);
  });

  it('that lacks a family by its probe is named when that begins and ends', () => {
    const look = watch();
    expect(look(1, false, {}, 0)).toBe('');
    expect(look(2, false, {}, 1, { lacking: ['ipv6'] })).toMatch(/does not carry IPv6 \(probe\)/);
    expect(look(3, false, {}, 2, { lacking: ['ipv6'] })).toBe('');
    expect(look(4, false, {}, 2)).toBe('upstream "vps" carries IPv6 again');
  });

  it('one in backoff is not said to lack a family, too', () => {
    const look = watch();
    expect(look(1, true, {}, 1, { lacking: ['ipv4'] })).toMatch(/^[^\n]*in backoff[^\n]*$/);
    expect(look(2, false, {}, 1)).toBe('upstream "vps" is back');
    expect(look(3, false, {}, 2, { lacking: ['ipv4'] })).toMatch(/does not carry IPv4/);
    expect(look(4, true, {}, 3, { lacking: ['ipv4', 'ipv6'] })).not.toContain('carry');
  });

  it('is followed by a line when no other carries the family, and one when it is accepted again', () => {
    const look = watch();
    const lacking = { lacking: ['ipv6' as const] };
    expect(look(1, false, {}, 1, lacking, ['ipv6'])).toMatch(
      /does not carry IPv6 \(probe\)\n.*no upstream carries IPv6 \(probe\): IPv6 is refused until one carries it again/,
    );
    expect(look(2, false, {}, 2, lacking, ['ipv6'])).toBe('');
    expect(look(3, false, {}, 2)).toBe('upstream "vps" carries IPv6 again\nIPv6 is accepted again');
  });

  it('that is not back within a quiet minute is mentioned then', () => {
    const look = watch();
    expect(look(0, true, { refused: 1 })).toContain('in backoff');
    expect(look(1, false, { refused: 1 })).toContain('is back');
    expect(look(2, true, { reset: 1 })).toBe('');
    expect(look(61, true, { reset: 2 })).toContain('it resets connections');
  });
});
