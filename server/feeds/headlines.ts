/** Invented headlines for the demo: no company, person or event in them is real. */
import type { Headline, NewsCategory } from '@axiom-streaming/protocol/demo-data';

const TABLE: readonly (readonly [NewsCategory, string, number])[] = [
  ['markets', 'Sample: Stocks open slightly higher in quiet trading', 0.3],
  ['macro', 'Sample: Inflation slows for the third month in a row', 0.6],
  ['companies', 'Sample: A toolmaker raises its outlook for the year', 0.7],
  ['markets', 'Sample: Index slips as traders take profits', -0.3],
  ['macro', 'Sample: Central bank leaves rates unchanged', 0],
  ['companies', 'Sample: A chain of bakeries closes a tenth of its shops', -0.5],
  ['markets', 'Sample: Volatility falls to its lowest level of the quarter', 0.4],
  ['macro', 'Sample: Unemployment rises more than forecast', -0.6],
  ['companies', 'Sample: A maker of bicycles reports record orders', 0.8],
  ['markets', 'Sample: Broad sell-off reaches all sectors', -0.9],
  ['macro', 'Sample: Retail sales match expectations', 0.1],
  ['companies', 'Sample: A shipping line orders six new vessels', 0.4],
  ['markets', 'Sample: Small caps outpace large caps for a second week', 0.2],
  ['macro', 'Sample: Factory orders fall short of estimates', -0.4],
  ['companies', 'Sample: A software house delays its new release', -0.4],
  ['markets', 'Sample: Bond yields little changed ahead of data', 0],
  ['macro', 'Sample: Trade surplus widens as exports grow', 0.5],
  ['companies', 'Sample: A regional airline cuts its forecast', -0.7],
  ['markets', 'Sample: Late rally lifts the market to a weekly gain', 0.6],
  ['macro', 'Sample: Consumer confidence drops to a two-year low', -0.7],
  ['companies', 'Sample: Two mid-sized insurers agree to merge', 0.3],
  ['markets', 'Sample: Trading volume thins before the holiday', -0.1],
  ['macro', 'Sample: Growth is revised up for the last quarter', 0.7],
  ['companies', 'Sample: A chip designer warns of weak demand', -0.6],
  ['markets', 'Sample: Commodities steady after a volatile session', 0.1],
  ['macro', 'Sample: House prices fall for a fourth month', -0.5],
  ['companies', 'Sample: A utility completes its wind park ahead of schedule', 0.6],
  ['markets', 'Sample: Benchmark closes at a new high', 0.8],
  ['macro', 'Sample: Purchasing managers report stable business', 0.2],
  ['companies', 'Sample: A grocer keeps its dividend unchanged', 0.1],
];

export const HEADLINES: readonly Headline[] = TABLE.map(([category, headline, sentiment]) => ({
  category,
  headline,
  sentiment,
}));
