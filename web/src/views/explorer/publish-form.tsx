/** Publishes one message, as `curl` would. */
import { signal } from '@preact/signals';
import { wanted } from '../../live/connection.js';
import { count } from '../../live/format.js';
import { page } from '../../live/page.js';
import { Panel } from '../../parts/panel.js';

const topic = signal('market:TEST');
const data = signal('{"price": 187.2}');
const outcome = signal<{ readonly tone: 'good' | 'bad'; readonly text: string } | undefined>(undefined);
const busy = signal(false);

async function publish(event: Event): Promise<void> {
  event.preventDefault();
  let value: unknown;
  try {
    value = JSON.parse(data.value);
  } catch (error) {
    outcome.value = { tone: 'bad', text: `The data is no JSON: ${(error as Error).message}` };
    return;
  }
  busy.value = true;
  try {
    const { seq, epoch } = await page.hub.publish(topic.value.trim(), value);
    outcome.value = { tone: 'good', text: `Published as seq ${count(seq)} of epoch ${epoch}.` };
  } catch (error) {
    outcome.value = { tone: 'bad', text: (error as Error).message };
  }
  busy.value = false;
}

export function PublishForm() {
  const shell = `curl ${wanted.token.value === '' ? '' : "-H 'Authorization: Bearer …' "}-d '${data.value.replaceAll("'", "'\\''")}' ${location.origin}/api/topics/${topic.value.trim()}/messages`;
  return (
    <Panel title="Publish" id="publish">
      <form class="fields" onSubmit={publish}>
        <label class="field">
          <span>Topic</span>
          <input
            type="text"
            id="publish-topic"
            list="topics"
            required
            spellcheck={false}
            value={topic.value}
            onInput={(event) => {
              topic.value = event.currentTarget.value;
            }}
          />
        </label>
        <label class="field">
          <span>Data, any JSON</span>
          <textarea
            id="publish-data"
            rows={3}
            required
            spellcheck={false}
            value={data.value}
            onInput={(event) => {
              data.value = event.currentTarget.value;
            }}
          />
        </label>
        <div class="field-row">
          <button type="submit" class="primary" disabled={busy.value}>
            Publish
          </button>
          <p class={`outcome ${outcome.value?.tone ?? ''}`} role="status">
            {outcome.value?.text ?? ' '}
          </p>
        </div>
        <p class="source">
          From a shell:
          <code class="shell">{shell}</code>
        </p>
      </form>
    </Panel>
  );
}
