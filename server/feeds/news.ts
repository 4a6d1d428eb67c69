/** `news:<category>`: one sample headline after the other, round and round. */
import { type Feed, type FeedData, publicationId, rowAt } from './feed.js';
import { HEADLINES, type Headline } from './headlines.js';

/** The data of a message of `news`. */
export interface NewsData extends FeedData, Headline {
  readonly source: 'sample';
}

/** The `news` feed: a headline every `intervalMs`. */
export function newsFeed(intervalMs: number): Feed {
  return {
    name: 'news',
    intervalMs,
    at: (tick) => {
      const headline = HEADLINES[rowAt(tick, HEADLINES.length)]!;
      const data: NewsData = { source: 'sample', ...headline };
      return [
        {
          topic: `news:${headline.category}`,
          data: JSON.stringify(data),
          id: publicationId('news', headline.category, tick),
        },
      ];
    },
  };
}
