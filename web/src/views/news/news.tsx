/** News: headlines with their sentiment. */
import { signal } from '@preact/signals';
import { NONE, timeOfDay } from '../../live/format.js';
import { Chips, Nothing, Panel, Scroll, Source } from '../../parts/panel.js';
import { usePage } from '../../use-page.js';
import type { NewsItem } from './news-store.js';

type Mood = 'all' | 'good' | 'bad' | 'neutral';

/** A headline with a sentiment between these is neutral. */
const NEUTRAL = 0.15;
const MAX_SHOWN = 100;

const category = signal('all');
const mood = signal<Mood>('all');
const text = signal('');

const MOODS: readonly (readonly [Mood, string])[] = [
  ['all', 'Any sentiment'],
  ['good', 'Good'],
  ['neutral', 'Neutral'],
  ['bad', 'Bad'],
];

export function News() {
  const { news } = usePage();
  news.version;
  const categories = [...new Set(news.items.map((item) => item.category))].sort();
  const items = news.items.filter(isWanted);
  return (
    <div class="view">
      <Panel title="News" id="news" aside={<span class="quiet">{items.length} shown</span>}>
        <div class="toolbar">
          <Chips
            label="Category"
            values={[['all', 'All'], ...categories.map((name): [string, string] => [name, name])]}
            value={category.value}
            onChange={(value) => {
              category.value = value;
            }}
          />
          <Chips
            label="Sentiment"
            values={MOODS}
            value={mood.value}
            onChange={(value) => {
              mood.value = value;
            }}
          />
          <label class="search">
            <span class="hidden">Search headlines</span>
            <input
              type="search"
              id="news-search"
              placeholder="Search headlines"
              value={text.value}
              onInput={(event) => {
                text.value = event.currentTarget.value;
              }}
            />
          </label>
        </div>
        {news.items.length === 0 ? (
          <Nothing stream="news" hint="Headlines appear as soon as one is published." />
        ) : items.length === 0 ? (
          <div class="nothing">
            <p class="nothing-title">Nothing fits these filters</p>
            <p>
              <button type="button" class="link" onClick={showAll}>
                Show all {news.items.length} headlines
              </button>
            </p>
          </div>
        ) : (
          <Scroll label="Headlines">
            <ol class="headlines">
              {items.slice(0, MAX_SHOWN).map((item) => (
                <Headline key={item.id} item={item} />
              ))}
            </ol>
          </Scroll>
        )}
        <footer class="panel-foot">
          <Source source={news.source} />
        </footer>
      </Panel>
    </div>
  );
}

function isWanted(item: NewsItem): boolean {
  if (category.value !== 'all' && item.category !== category.value) return false;
  if (mood.value !== 'all' && moodOf(item.sentiment) !== mood.value) return false;
  return item.headline.toLowerCase().includes(text.value.trim().toLowerCase());
}

function showAll(): void {
  category.value = 'all';
  mood.value = 'all';
  text.value = '';
}

function moodOf(sentiment: number | undefined): Mood {
  if (sentiment === undefined || Math.abs(sentiment) < NEUTRAL) return 'neutral';
  return sentiment > 0 ? 'good' : 'bad';
}

function Headline({ item }: { readonly item: NewsItem }) {
  const { sentiment } = item;
  const mood = moodOf(sentiment);
  return (
    <li class={`headline ${item.isLive ? 'arrives' : ''}`}>
      <time dateTime={new Date(item.time).toISOString()}>{timeOfDay(item.time)}</time>
      <div class="headline-text">
        <p>{item.headline}</p>
        <p class="headline-meta">
          <span class="tag">{item.category}</span> <span>seq {item.seq}</span>
        </p>
      </div>
      <div class={`sentiment ${mood}`}>
        <span class="sentiment-value">
          {sentiment === undefined
            ? NONE
            : `${sentiment > 0 ? '+' : ''}${sentiment.toFixed(1).replace('-', '−')}`}
        </span>
        <span class="sentiment-word">{mood}</span>
        <span class="sentiment-bar" aria-hidden="true">
          <span style={barStyle(sentiment ?? 0)} />
        </span>
      </div>
    </li>
  );
}

/** A bar from the middle: to the right for good, to the left for bad. */
function barStyle(sentiment: number): { left: string; width: string } {
  const share = Math.min(1, Math.abs(sentiment)) * 50;
  return { left: `${sentiment < 0 ? 50 - share : 50}%`, width: `${share}%` };
}
