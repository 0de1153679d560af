/** Run-books as pages: safe whatever is in them, and there for who has only a browser. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { markdownToHtml } from '../../../monitoring/runbooks/markdown.js';
import { runbookPage } from '../../../monitoring/runbooks/page.js';
import { ALERTS, runbookUrl } from '../../../monitoring/runbooks.js';
import { type MonitoringServer, startMonitoring } from '../../../monitoring/server.js';
import { readStaticFiles } from '../../../monitoring/static-files.js';
import { ask } from './ask.js';

const FOLDER = fileURLToPath(new URL('../../../docs/runbooks', import.meta.url));
const html = (text: string) => markdownToHtml(text, (href) => `to-${href}`);

describe('the Markdown of run-books', () => {
  it('becomes headings, paragraphs, lists, code and links', () => {
    expect(html('# A\n\n## B\n\none\ntwo `x y` [C](C.md), *so*.\n')).toBe(
      '<h1>A</h1>\n<h2>B</h2>\n<p>one\ntwo <code>x y</code> <a href="to-C.md">C</a>, <em>so</em>.</p>\n',
    );
    expect(html('1. one\n   goes on\n2. two\n\n- a\n- b\n')).toBe(
      '<ol>\n<li>one\ngoes on</li>\n<li>two</li>\n</ol>\n<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n',
    );
    expect(html('```sh\necho "a"\n\n# b\n```\n')).toBe(
      '<pre tabindex="0">echo &quot;a&quot;\n\n# b</pre>\n',
    );
  });

  it('has no element, attribute or link of its own', () => {
    const evil = `<script>alert(1)</script> \`<b>\` [<i>](javascript:"onload=) & '`;
    expect(html(evil)).toBe(
      '<p>&lt;script&gt;alert(1)&lt;/script&gt; <code>&lt;b&gt;</code> ' +
        '<a href="to-javascript:&quot;onload=">&lt;i&gt;</a> &amp; &#39;</p>\n',
    );
    expect(runbookPage('A', evil)).not.toContain('href="javascript');
  });

  it.each(['| a | b |', '### deep', '**loud**', '> quoted', '![picture](x.png)', '```sh\nno end'])(
    'that is not known is an error, not a page that looks odd: %j',
    (text) => {
      expect(() => html(`fine\n\n${text}\n`)).toThrow(/^line 3: /);
    },
  );

  it('is that of each page, and what it links to is there', () => {
    for (const alert of ALERTS) {
      const markdown = readFileSync(`${FOLDER}/${alert}.md`, 'utf8');
      const page = runbookPage(alert, markdown);
      expect(page.match(/<h2>/g)).toHaveLength(6);
      const prose = page.replace(/<(pre|code).*?<\/\1>/gs, '');
      expect(prose).not.toMatch(/[`*]|\]\(/);
      const links = [...page.matchAll(/<a href="(\w+)">/g)].map(([, name]) => name);
      expect(ALERTS).toEqual(expect.arrayContaining(links));
      expect(links).toHaveLength(markdown.match(/\]\(Sidetrack/g)?.length ?? 0);
    }
  });
});

describe('served', () => {
  const servers: MonitoringServer[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.close();
  });

  async function serve(): Promise<string> {
    const server = await startMonitoring({
      address: '127.0.0.1',
      port: 0,
      registry: new Registry(),
      auth: { token: Buffer.from('c0ffee') },
    });
    servers.push(server);
    return server.url;
  }

  it('each is there for a browser without a token, and says the same to all', async () => {
    const url = await serve();
    expect(readdirSync(FOLDER)).toHaveLength(ALERTS.length);
    for (const alert of ALERTS) {
      const { pathname } = new URL(runbookUrl(alert));
      const answer = await ask(url, pathname);
      expect([pathname, answer.status]).toEqual([pathname, 200]);
      expect(answer.headers['content-type']).toBe('text/html; charset=utf-8');
      expect(answer.headers['content-security-policy']).toContain("default-src 'self'");
      expect(answer.body).toContain(`<h1>${alert}</h1>`);
    }
    const { body } = await ask(url, '/runbooks/');
    expect(body.match(/<li><a href="Sidetrack/g)).toHaveLength(ALERTS.length);
    const headers = { authorization: 'Bearer c0ffee' };
    expect((await ask(url, '/', { headers })).body).toContain('/runbooks/');
  });

  it('a name that is none tells a scanner nothing, and no path leaves the folder', async () => {
    const url = await serve();
    const headers = { authorization: 'Bearer c0ffee' };
    for (const path of [
      '/runbooks/SidetrackNothing',
      '/runbooks/SidetrackDrifted.md',
      '/runbooks/SidetrackDrifted/',
      '/runbooks/../web/main.js',
      '/runbooks/%2e%2e/%2e%2e/package.json',
      '/runbooks/index.html',
    ]) {
      expect([path, (await ask(url, path)).status]).toEqual([path, 401]);
      expect([path, (await ask(url, path, { headers })).status]).toEqual([path, 404]);
    }
  });

  it('another page may link there, and neither read it nor frame it', async () => {
    const url = await serve();
    const from = (mode: string) => ({
      headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': mode },
    });
    expect((await ask(url, '/runbooks/SidetrackDrifted', from('navigate'))).status).toBe(200);
    expect((await ask(url, '/runbooks/SidetrackDrifted', from('cors'))).status).toBe(403);
    const { headers } = await ask(url, '/runbooks/SidetrackDrifted');
    expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
    expect((await ask(url, '/runbooks/SidetrackDrifted', { method: 'POST' })).status).toBe(405);
  });

  it('the files are those that were built', () => {
    expect(
      [...readStaticFiles().keys()].filter((path) => !/^\/(web|runbooks)\//.test(path)),
    ).toEqual([]);
  });
});

describe('a link', () => {
  it('leads to the relay, or to the exporter where the relay is what is down', () => {
    expect(runbookUrl('SidetrackDrifted')).toBe('http://localhost:9150/runbooks/SidetrackDrifted');
    expect(runbookUrl('SidetrackRelayDown')).toBe(
      'http://localhost:9151/runbooks/SidetrackRelayDown',
    );
    expect(runbookUrl('SidetrackRelayDown', 'https://wiki.lan/{alert}')).toBe(
      'https://wiki.lan/SidetrackRelayDown',
    );
  });
});
