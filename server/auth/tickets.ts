/**
 * Tickets, for an `EventSource`, which cannot send a header and must not carry a token in its URL. A ticket identifies
 * the bearer who requested it, once, within 30 s, so it is worthless in an access log.
 */
import { hash, randomBytes } from 'node:crypto';
import { HubError } from '../errors.js';
import { Bearer, type Identity, type ReadAccess } from './claims.js';

export const TICKET_LASTS_MS = 30_000;
const TICKET_BYTES = 24;
/** Maximum number of unused tickets on a single node. */
const MAX_TICKETS = 100_000;

/** Stores unused tickets by hash, so that reading the store reveals no ticket. */
export interface TicketStore {
  /** @throws HubError `overloaded`, `log_unavailable`. */
  put(ticketHash: string, identity: Identity, lastsMs: number): Promise<void>;
  /**
   * Removes and returns a ticket's identity; null if there is none, or no longer.
   *
   * @throws HubError `log_unavailable`.
   */
  take(ticketHash: string): Promise<Identity | null>;
}

export class Tickets {
  readonly #store: TicketStore;
  readonly #read: ReadAccess;

  constructor(store: TicketStore, read: ReadAccess) {
    this.#store = store;
    this.#read = read;
  }

  /** Issues a ticket for a bearer. @throws HubError as the store does. */
  async issue({ identity }: Bearer): Promise<string> {
    const ticket = randomBytes(TICKET_BYTES).toString('base64url');
    await this.#store.put(digest(ticket), identity, TICKET_LASTS_MS);
    return ticket;
  }

  /** The bearer that a ticket identifies. @throws HubError `token_invalid` for a used, expired or unknown ticket. */
  async redeem(ticket: string): Promise<Bearer> {
    const identity = await this.#store.take(digest(ticket));
    if (identity === null) {
      throw new HubError('token_invalid', 'ticket: it is unknown, expired or already used', {
        field: 'ticket',
      });
    }
    return new Bearer(identity, this.#read);
  }
}

function digest(ticket: string): string {
  return hash('sha256', ticket, 'base64url');
}

/** Tickets of a single node. */
export class MemoryTicketStore implements TicketStore {
  readonly #tickets = new Map<string, { identity: Identity; expiresAt: number }>();

  async put(ticketHash: string, identity: Identity, lastsMs: number): Promise<void> {
    const now = Date.now();
    // All tickets have the same lifetime, so the first ones expire first.
    for (const [known, { expiresAt }] of this.#tickets) {
      if (expiresAt > now) break;
      this.#tickets.delete(known);
    }
    if (this.#tickets.size >= MAX_TICKETS) {
      throw new HubError('overloaded', 'there are too many unused tickets', { retryAfterMs: 1_000 });
    }
    this.#tickets.set(ticketHash, { identity, expiresAt: now + lastsMs });
  }

  async take(ticketHash: string): Promise<Identity | null> {
    const ticket = this.#tickets.get(ticketHash);
    this.#tickets.delete(ticketHash);
    return ticket !== undefined && ticket.expiresAt > Date.now() ? ticket.identity : null;
  }
}
