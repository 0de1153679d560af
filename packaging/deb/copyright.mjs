// Prints debian/copyright: our licence, and those of the modules that the package carries.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [licence, web, modules] = process.argv.slice(2);

/** A licence's text as a field of several lines: a dot stands for an empty one. */
const field = (text) =>
  text
    .trim()
    .split('\n')
    .map((line) => ` ${line.trim() === '' ? '.' : line.trimEnd()}`)
    .join('\n');

/** Debian has the long ones. */
const TEXTS = {
  'Apache-2.0': 'On Debian systems its text is in /usr/share/common-licenses/Apache-2.0.',
};

function modulesIn(directory) {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    if (name.startsWith('@')) return modulesIn(path);
    return name.startsWith('.') ? [] : [path];
  });
}

function stanza(path) {
  const { name, license, author } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
  const file = readdirSync(path).find((one) => /^licen[cs]e/i.test(one));
  const holder = typeof author === 'string' ? author : (author?.name ?? 'its authors');
  const text =
    TEXTS[license] ??
    (file === undefined
      ? `Said in package.json: ${license}`
      : readFileSync(join(path, file), 'utf8'));
  return `Files: usr/lib/sidetrack/node_modules/${name}/*\nCopyright: ${holder}\nLicense: ${license}\n${field(text)}`;
}

/** Copied among our files by monitoring/web/build.sh, with its licence. */
function chartsStanza(web) {
  const text = readFileSync(join(web, 'uPlot.LICENSE'), 'utf8');
  const holder = /^Copyright \(c\) (.*)$/m.exec(text)[1];
  return `Files: usr/lib/sidetrack/build/monitoring/web/uPlot.*\nCopyright: ${holder}\nLicense: MIT\n${field(text)}`;
}

const own = readFileSync(licence, 'utf8');
console.log(
  [
    'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: sidetrack',
    `Files: *\nCopyright: ${/^Copyright.*$/m.exec(own)[0].replace('Copyright (c) ', '')}\nLicense: MIT\n${field(own)}`,
    chartsStanza(web),
    ...modulesIn(modules).map(stanza),
  ].join('\n\n'),
);
