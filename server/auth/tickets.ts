/**
 * Tickets, for an `EventSource`, which cannot send a header and must not carry a token in its URL. A ticket identifies
 * the bearer who requested it, once, within 30 s, so it is worthless in an access log. It ends with the token that it
 * was requested with, if that is sooner.
 */
import { hash, randomBytes } from 'node:crypto';
import { HubError } from '../errors.js';
import { Bearer, type Identity, type ReadAccess } from './claims.js';

const TICKET_LASTS_MS = 30_000;
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

/** A ticket, and how long it can be redeemed. */
export interface IssuedTicket {
  readonly ticket: string;
  readonly expiresInMs: number;
}

export class Tickets {
  readonly #store: TicketStore;
  readonly #read: ReadAccess;

  constructor(store: TicketStore, read: ReadAccess) {
    this.#store = store;
    this.#read = read;
  }

  /**
   * Issues a ticket for a bearer.
   *
   * @throws HubError `token_expired` for a token that is accepted only because clocks may differ, and as the store does
   */
  async issue({ identity }: Bearer): Promise<IssuedTicket> {
    const left = (identity.expiresAt ?? Number.POSITIVE_INFINITY) - Date.now();
    if (left <= 0) throw new HubError('token_expired', 'the token has expired', { field: 'token' });
    const expiresInMs = Math.ceil(Math.min(TICKET_LASTS_MS, left));
    const ticket = randomBytes(TICKET_BYTES).toString('base64url');
    await this.#store.put(digest(ticket), identity, expiresInMs);
    return { ticket, expiresInMs };
  }

  /**
   * The bearer that a ticket identifies, with the end of its token.
   *
   * @throws HubError `token_invalid` for a used, expired or unknown ticket, `token_expired`
   */
  async redeem(ticket: string): Promise<Bearer> {
    const identity = await this.#store.take(digest(ticket));
    if (identity === null) {
      throw new HubError('token_invalid', 'ticket: it is unknown, expired or already used', {
        field: 'ticket',
      });
    }
    // The store's clock may be another one.
    if (identity.expiresAt !== undefined && identity.expiresAt <= Date.now()) {
      throw new HubError('token_expired', 'ticket: the token that it was issued for has expired', {
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
    // The first ones expire first, except for tickets of tokens that end sooner, which stay a little longer.
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
