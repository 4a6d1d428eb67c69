/** Publishes one message, as `curl` would. */
import { signal } from '@preact/signals';
import { remember, wanted } from '../../live/choices.js';
import { count } from '../../live/format.js';
import { Panel } from '../../parts/panel.js';

interface Outcome {
  readonly tone: 'good' | 'bad';
  readonly text: string;
}

const topic = signal('market:TEST');
const data = signal('{"price": 187.2}');
const outcome = signal<Outcome | undefined>(undefined);
const busy = signal(false);

async function publish(event: Event): Promise<void> {
  event.preventDefault();
  let value: unknown;
  try {
    value = JSON.parse(data.value);
  } catch (error) {
    outcome.value = { tone: 'bad', text: `The data is not JSON: ${(error as Error).message}` };
    return;
  }
  busy.value = true;
  try {
    outcome.value = await post(topic.value.trim(), JSON.stringify(value), wanted.token.value);
  } catch (error) {
    outcome.value = { tone: 'bad', text: `The hub was not reached: ${(error as Error).message}` };
  }
  busy.value = false;
}

async function post(topic: string, body: string, token: string): Promise<Outcome> {
  const headers: Record<string, string> = token === '' ? {} : { Authorization: `Bearer ${token}` };
  const response = await fetch(address(topic), { method: 'POST', body, headers });
  const answer = (await response.json().catch(() => ({}))) as {
    seq?: number;
    epoch?: string;
    detail?: string;
  };
  if (response.ok) {
    return { tone: 'good', text: `Published as seq ${count(answer.seq)} of epoch ${answer.epoch}.` };
  }
  const hint = response.status === 401 ? ' The publish key is printed where the hub was started.' : '';
  return { tone: 'bad', text: `${answer.detail ?? `The hub answers ${response.status}`}.${hint}` };
}

function address(topic: string): string {
  const path = `api/topics/${encodeURIComponent(topic).replaceAll('%3A', ':')}/messages`;
  return new URL(path, document.baseURI).href;
}

export function PublishForm() {
  const shell = `curl -H "Authorization: Bearer $KEY" -d '${data.value.replaceAll("'", "'\\''")}' ${address(topic.value.trim())}`;
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
        <label class="field">
          <span>Token or publish key, kept in this tab only</span>
          <input
            type="password"
            id="publish-token"
            autocomplete="off"
            value={wanted.token.value}
            onInput={(event) => remember(wanted.transport.value, event.currentTarget.value.trim())}
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
