import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { barChart } from '../../bench/lib/bar-chart.js';
import { manyTopics, oneTopic } from '../../bench/lib/cases.js';
import { cpuSeconds, cpuSecondsOfTree, residentBytes } from '../../bench/lib/cpu.js';
import { recordedRatio } from '../../bench/lib/fanout-guard.js';
import { option } from '../../bench/lib/main.js';
import { loadResult, type Result, saveResult } from '../../bench/lib/results.js';
import { median, quantile } from '../../bench/lib/statistics.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

/** What every result belongs to. */
function expectCircumstances({ circumstances }: Result<unknown>, name: string): void {
  expect(circumstances, name).to.have.all.keys(
    'at',
    'cpu',
    'cores',
    'memoryGiB',
    'node',
    'commit',
    'versions',
  );
  expect(circumstances.at, name).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d$/);
  expect(circumstances.commit, name).to.be.a('string');
  expect(circumstances.node, name).to.match(/^v\d+\./);
  expect(circumstances.cores, name).to.be.greaterThan(0);
  expect(circumstances.versions, name).to.include.keys('socket.io', 'ws', 'redis', 'redis-server');
}

describe('The statistics of the benches', () => {
  it('have as median the value in the middle, or the mean of two', () => {
    expect(median([3])).to.equal(3);
    expect(median([9, 1, 5])).to.equal(5);
    expect(median([4, 1, 3, 2])).to.equal(2.5);
    expect(median([])).to.be.NaN;
  });

  it('sort by number, and leave the values as they were', () => {
    const values = [10, 9, 100];
    expect(median(values)).to.equal(10);
    expect(quantile(values, 0)).to.equal(9);
    expect(values).to.deep.equal([10, 9, 100]);
  });

  it('have as quantile the value below which that share lies', () => {
    const values = Array.from({ length: 100 }, (_, i) => i);
    expect(quantile(values, 0.5)).to.equal(50);
    expect(quantile(values, 0.99)).to.equal(99);
    expect(quantile(values, 1)).to.equal(99);
    expect(quantile([7], 0.999)).to.equal(7);
    expect(quantile([], 0.5)).to.be.NaN;
  });
});

describe('A case of the benches', () => {
  it('with one topic has everybody read it', () => {
    const { topics, subscriptions, perSecond } = oneTopic(3, 50);
    expect(topics).to.have.lengthOf(1);
    expect(subscriptions).to.deep.equal([topics, topics, topics]);
    expect(perSecond).to.equal(50);
  });

  it('with many topics has everybody read as many different ones, and every topic as many readers', () => {
    for (const [topicCount, each] of [
      [200, 20],
      [10, 1],
      [1_000, 100],
    ] as const) {
      const { topics, subscriptions } = manyTopics(topicCount, each, 1_000, 1);
      const readers = new Map(topics.map((topic) => [topic, 0]));
      for (const own of subscriptions) {
        expect(new Set(own).size).to.equal(each);
        for (const topic of own) readers.set(topic, readers.get(topic)! + 1);
      }
      const mean = (1_000 * each) / topicCount;
      expect(Math.min(...readers.values())).to.be.within(0.5 * mean, mean);
      expect(Math.max(...readers.values())).to.be.within(mean, 1.5 * mean);
    }
  });
});

describe('An option of a bench', () => {
  it('is a whole number from 1, or its default', () => {
    expect(option('rounds', 5, ['node', 'bench.js'])).to.equal(5);
    expect(option('rounds', 5, ['node', 'bench.js', '--rounds', '2'])).to.equal(2);
    for (const wrong of [['--rounds'], ['--rounds', '0'], ['--rounds', '1.5'], ['--rounds', 'many']])
      expect(() => option('rounds', 5, wrong)).to.throw('--rounds must be a whole number from 1');
  });
});

describe('A result of a bench', () => {
  it('is kept with the machine, the versions and the commit that it belongs to', () => {
    const dir = `${mkdtempSync(join(tmpdir(), 'axiom-spec-results-'))}/`;
    try {
      expect(loadResult('one', dir)).to.equal(undefined);
      saveResult('one', [{ peer: 'hub', value: 1.5 }], dir);
      const loaded = loadResult<object[]>('one', dir)!;
      expect(loaded.result).to.deep.equal([{ peer: 'hub', value: 1.5 }]);
      expectCircumstances(loaded, 'one');
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  it('that is in the repository has them too, and is told on the page', () => {
    const page = read('bench/results/README.md');
    const files = readdirSync(join(ROOT, 'bench/results')).filter((file) => file.endsWith('.json'));
    expect(files).to.include('fanout.json');
    for (const file of files) {
      const name = file.replace('.json', '');
      const saved = loadResult<readonly unknown[]>(name)!;
      expectCircumstances(saved, name);
      expect(saved.circumstances.commit, name).to.match(/^[0-9a-f]{7,40}$/);
      expect(saved.result, name).to.be.an('array').that.is.not.empty;
      expect(page).to.include(`npm run bench:${name}\``);
    }
  });

  it('has pictures that exist', () => {
    const pictures = [...read('bench/results/README.md').matchAll(/!\[[^\]]*\]\(([^)]+)\)/g)];
    expect(pictures.length).to.be.greaterThan(4);
    for (const [, file] of pictures) expect(read(`bench/results/${file}`)).to.match(/^<svg /);
  });
});

describe('A chart', () => {
  const bars = [
    { label: 'ours', value: 4, text: '4' },
    { label: 'a < b & "c"', value: 2, text: '2' },
  ];

  it('has bars in proportion, and text that is escaped', () => {
    const svg = barChart('One & two', bars);
    const [first, second] = [...svg.matchAll(/<rect x="[\d.]+" [^>]*width="([\d.]+)"/g)].map(([, w]) =>
      Number(w),
    );
    expect(first! / second!).to.be.closeTo(2, 0.01);
    expect(svg).to.include('One &amp; two').and.to.include('a &lt; b &amp; &quot;c&quot;');
  });

  it('keeps every bar and its text inside', () => {
    const long = { label: '10,000 subscribers, stock Socket.IO', value: 40, text: '40.00 µs (falls behind)' };
    const svg = barChart('Long', [...bars, long]);
    const width = Number(/viewBox="0 0 (\d+)/.exec(svg)![1]);
    for (const [, x, text] of svg.matchAll(/<text x="([\d.]+)"[^>]*class="value">([^<]*)</g))
      expect(Number(x) + text!.length * 7.5).to.be.lessThan(width);
    for (const [, x, text] of svg.matchAll(/<text x="([\d.]+)"[^>]*class="label">([^<]*)</g))
      expect(Number(x) - text!.replace(/&\w+;/g, '.').length * 7).to.be.greaterThan(0);
  });
});

describe('The CPU and memory of processes', () => {
  before(function () {
    if (process.platform !== 'linux') this.skip();
  });

  it('are read for a process, and for all below it', () => {
    const before = cpuSeconds(process.pid);
    const used = process.cpuUsage();
    while (process.cpuUsage(used).user < 60_000) Math.sqrt(before);
    expect(cpuSeconds(process.pid) - before).to.be.within(0.02, 1);
    expect(cpuSecondsOfTree(process.pid)).to.be.at.least(cpuSeconds(process.pid));
    expect(residentBytes(process.pid)).to.be.within(10e6, 4e9);
  });
});

describe('The benches', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const names = Object.keys(scripts).flatMap((name) => /^bench:(.+)$/.exec(name)?.[1] ?? []);

  it('say in their headers what they do not measure', () => {
    expect(names).to.include.members(['fanout', 'latency', 'connections', 'recovery', 'scale']);
    for (const name of names.filter((bench) => bench !== 'report')) {
      const header = /^\/\*\*[\s\S]*?\*\//.exec(read(`bench/${name}.ts`))?.[0] ?? '';
      expect(header, name).to.match(/^ \* Not measured: /m);
    }
  });

  it('are all run by "npm run bench"', () => {
    const all = read('bench/all.ts');
    for (const name of names)
      expect(all.includes(`'./${name}.js'`), name).to.equal(!['guard', 'reconnect'].includes(name));
  });

  it('have a recorded fan-out that is worth guarding', () => {
    expect(recordedRatio()).to.be.greaterThan(2);
  });
});
