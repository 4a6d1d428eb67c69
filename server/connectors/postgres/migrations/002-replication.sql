-- What the replication connector knows beside its slot.

-- A slot that was made once and is gone has taken changes with it; the connector says so instead of making another.
CREATE TABLE hub.replication_slot (
  name text PRIMARY KEY,
  created timestamptz NOT NULL DEFAULT now()
);

-- Changes that the hub refused.
CREATE TABLE hub.replication_refused (
  slot text NOT NULL,
  position text NOT NULL,
  topic text NOT NULL,
  data text NOT NULL,
  refused text NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (slot, position)
);
