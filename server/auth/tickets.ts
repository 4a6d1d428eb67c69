/**
 * Tickets: for an `EventSource`, which cannot send a token and must not carry one in its address. A ticket stands for
 * the bearer who asked for it, once, within half a minute; in a log it is worth nothing.
 */
import { hash, randomBytes } from 'node:crypto';
import { HubError } from '../errors.js';
import { Bearer, type Identity, type ReadAccess } from './claims.js';

export const TICKET_LASTS_MS = 30_000;
const TICKET_BYTES = 24;
/** Tickets of a node alone that wait to be used. */
const MAX_TICKETS = 100_000;

/** Where tickets wait, by hash: what reads the store has no ticket. */
export interface TicketStore {
  /** @throws HubError `overloaded`, `log_unavailable`. */
  put(ticketHash: string, identity: Identity, lastsMs: number): Promise<void>;
  /** Takes one out. @returns null where there is none (any more). @throws HubError `log_unavailable`. */
  take(ticketHash: string): Promise<Identity | null>;
}

export class Tickets {
  readonly #store: TicketStore;
  readonly #read: ReadAccess;

  constructor(store: TicketStore, read: ReadAccess) {
    this.#store = store;
    this.#read = read;
  }

  /** A new ticket for a bearer. @throws HubError as the store does. */
  async issue({ identity }: Bearer): Promise<string> {
    const ticket = randomBytes(TICKET_BYTES).toString('base64url');
    await this.#store.put(digest(ticket), identity, TICKET_LASTS_MS);
    return ticket;
  }

  /** Who a ticket stands for. @throws HubError `token_invalid` for one that was used, is over, or never was. */
  async redeem(ticket: string): Promise<Bearer> {
    const identity = await this.#store.take(digest(ticket));
    if (identity === null) {
      throw new HubError('token_invalid', 'ticket: it is unknown, over or used already', { field: 'ticket' });
    }
    return new Bearer(identity, this.#read);
  }
}

function digest(ticket: string): string {
  return hash('sha256', ticket, 'base64url');
}

/** Tickets of one node alone. */
export class MemoryTicketStore implements TicketStore {
  readonly #tickets = new Map<string, { identity: Identity; expiresAt: number }>();

  async put(ticketHash: string, identity: Identity, lastsMs: number): Promise<void> {
    const now = Date.now();
    // They all last equally long, so the oldest come first.
    for (const [known, { expiresAt }] of this.#tickets) {
      if (expiresAt > now) break;
      this.#tickets.delete(known);
    }
    if (this.#tickets.size >= MAX_TICKETS) {
      throw new HubError('overloaded', 'too many tickets wait to be used', { retryAfterMs: 1_000 });
    }
    this.#tickets.set(ticketHash, { identity, expiresAt: now + lastsMs });
  }

  async take(ticketHash: string): Promise<Identity | null> {
    const ticket = this.#tickets.get(ticketHash);
    this.#tickets.delete(ticketHash);
    return ticket !== undefined && ticket.expiresAt > Date.now() ? ticket.identity : null;
  }
}
