/** Holds alerts, runbook, metrics and tests of the rules together. */
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { promtool } from '../support/promtool.js';
import {
  type AlertRule,
  filesIn,
  knownSeries,
  MONITORING,
  readMonitoring,
  ruleFiles,
  rules,
  seriesOf,
} from './files.js';

interface RuleTests {
  readonly group_eval_order: readonly string[];
  readonly tests: readonly {
    readonly alert_rule_test?: readonly {
      readonly alertname: string;
      readonly exp_alerts: readonly unknown[];
    }[];
  }[];
}

describe('The rules of Prometheus', () => {
  const alerts = rules().filter((rule): rule is AlertRule => 'alert' in rule);
  const names = alerts.map(({ alert }) => alert);
  const tests = filesIn('rules/tests', '.yml').map(
    (name) => parse(readMonitoring(`rules/tests/${name}`)) as RuleTests,
  );

  it('say of each alert how urgent it is, what it means, and where the runbook has it', () => {
    expect(names.length).to.be.greaterThan(15);
    expect(new Set(names).size).to.equal(names.length);
    for (const { alert, labels, annotations } of alerts) {
      expect(labels.severity, alert).to.be.oneOf(['critical', 'warning']);
      expect(Object.keys(annotations), alert).to.have.members(['summary', 'description', 'runbook']);
      expect(annotations.runbook).to.equal(`monitoring/RUNBOOK.md#${alert.toLowerCase()}`);
    }
  });

  it('have a heading in the runbook for each alert, and no other, with what to do', () => {
    const sections = readMonitoring('RUNBOOK.md').split(/^## /m).slice(1);
    expect(sections.map((section) => section.split('\n')[0])).to.have.members(names);
    for (const section of sections) expect(section).to.match(/^(1\.|-) /m);
    const anchors = [...readMonitoring('RUNBOOK.md').matchAll(/\]\(#(\w+)\)/g)].map(([, anchor]) => anchor);
    for (const anchor of anchors) expect(names.map((name) => name.toLowerCase())).to.include(anchor);
  });

  it('ask for series that exist', async () => {
    const known = await knownSeries();
    expect(
      seriesOf('sum by (a) (rate(b_total{c="d"}[5m])) > bool 0.5 and on () e:f:g - time()'),
    ).to.deep.equal(['b_total', 'e:f:g']);
    for (const { expr } of rules()) {
      expect(seriesOf(expr), expr).not.to.deep.equal(expr.startsWith('vector(') ? ['none'] : []);
      for (const name of seriesOf(expr)) expect(known, expr).to.include(name);
    }
  });

  it('have tests of every alert, both firing and not firing, and of all groups', () => {
    const cases = tests.flatMap((file) => file.tests.flatMap((test) => test.alert_rule_test ?? []));
    for (const name of names) {
      const own = cases.filter(({ alertname }) => alertname === name);
      expect(
        own.some(({ exp_alerts }) => exp_alerts.length > 0),
        `${name} fires in a test`,
      ).to.equal(true);
      expect(
        own.some(({ exp_alerts }) => exp_alerts.length === 0),
        `${name} does not fire in a test`,
      ).to.equal(true);
    }
    const groups = [...ruleFiles().values()].flatMap((file) => file.groups.map(({ name }) => name));
    for (const file of tests) expect(file.group_eval_order).to.have.members(groups);
  });

  it('are taken by Prometheus with its configuration', function () {
    const check = promtool(this);
    const files = filesIn('rules', '.yml').map((name) => join(MONITORING, 'rules', name));
    const checked = check(['check', 'config', join(MONITORING, 'prometheus/prometheus.yml')]);
    // Each of them is found from where the configuration is.
    for (const name of filesIn('rules', '.yml')) expect(checked).to.contain(`rules/${name}`);
    expect(check(['check', 'rules', ...files])).not.to.match(/duplicate|FAILED/i);
  });

  it('do what their tests say', function () {
    const check = promtool(this);
    const files = filesIn('rules/tests', '.yml').map((name) => join(MONITORING, 'rules/tests', name));
    check(['test', 'rules', ...files]);
  });
});
