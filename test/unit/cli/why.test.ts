import { describe, expect, it } from 'vitest';
import { whyFrom } from '../../../control/cli/relay/why.js';
import { loadConfig } from '../../../control/config/load.js';
import { folderOf, MINIMAL } from '../config/temporary.js';

const RULES = `rules:
  - { name: tv, mac: "02:00:00:00:00:07", action: direct }
  - { name: office, to: [203.0.113.0/24], port: 443, action: direct }
  - { name: kids, from: [192.168.1.40-192.168.1.49], action: block }
  - name: web
    port: [80, 443]
    action: proxy
default: direct
`;

async function configOf(yaml: string) {
  const folder = await folderOf({ 'sidetrack.yaml': yaml });
  return loadConfig(`${folder}/sidetrack.yaml`);
}

async function asked(yaml: string, client: string, destination: string) {
  const config = await configOf(yaml);
  return whyFrom(() => config)(client, destination);
}

describe('why a connection came here', () => {
  it.each([
    [
      '192.168.1.7:1000',
      '198.51.100.7:443',
      {
        rule: 'web',
        action: 'proxy',
        at: 'sidetrack.yaml:12:5',
        text: 'rule "web" is the first that matches it: proxy; unless it is by its MAC, which a relay cannot see: "tv"',
      },
    ],
    ['[fd00::7]:1000', '[2001:db8::1]:80', { rule: 'web', action: 'proxy' }],
    [
      '192.168.1.7:1',
      '203.0.113.9:443',
      { rule: 'office', action: 'direct', at: 'sidetrack.yaml:10:5' },
    ],
    ['192.168.1.44:1', '198.51.100.7:80', { rule: 'kids', action: 'block' }],
    ['192.168.1.7:1', '198.51.100.7:22', { rule: 'default', action: 'direct' }],
  ])('%s to %s', async (client, destination, expected) => {
    expect(await asked(MINIMAL + RULES, client, destination)).toMatchObject(expected);
  });

  it('says so when the rules have changed since', async () => {
    const { text } = await asked(MINIMAL + RULES, '192.168.1.7:1', '198.51.100.7:22');
    expect(text).toContain('it was handed over before the rules were as they are now');
  });

  it('knows the rules of a file without any', async () => {
    const reason = await asked(MINIMAL, '192.168.1.7:1', '198.51.100.7:22');
    expect(reason).toMatchObject({ rule: 'rest', action: 'proxy' });
  });

  describe('where the file is the part that apply wrote', () => {
    const PART = `# Written by sidetrack apply, which writes it again: change the file that apply reads.\n${MINIMAL}`;
    const WAY = ['192.168.1.7:1', '198.51.100.7:22'] as const;

    it('is what the one says that has the whole', async () => {
      const config = await configOf(PART);
      const whole: string[][] = [];
      const why = whyFrom(
        () => config,
        async (...way) => {
          whole.push(way);
          return { rule: 'office', action: 'proxy', text: 'by the whole file' };
        },
      );
      expect(await why(...WAY)).toMatchObject({ rule: 'office', text: 'by the whole file' });
      expect(whole).toEqual([[...WAY]]);
    });

    it('says who has not answered, and what to run', async () => {
      const config = await configOf(PART);
      const why = whyFrom(
        () => config,
        async () => {
          throw new Error('no exporter answers on port 9151: nothing listens there');
        },
      );
      const { rule, text } = await why(...WAY);
      expect(rule).toBeUndefined();
      expect(text).toMatch(/nothing listens there; run `sidetrack exporter` with that file/);
    });

    it('is not known to an exporter that has no more, either', async () => {
      const { rule, text } = await asked(PART, ...WAY);
      expect(rule).toBeUndefined();
      expect(text).toContain('sidetrack apply');
    });
  });
});
