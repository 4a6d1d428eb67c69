-- The archive: messages of streams that are marked "archive": true, each once by (stream, epoch, seq).

CREATE TABLE hub.archive (
  stream text NOT NULL,
  epoch text NOT NULL,
  seq bigint NOT NULL,
  -- Log time, ms since the Unix epoch, and its day in UTC.
  time bigint NOT NULL,
  day date NOT NULL,
  key text NOT NULL,
  -- JSON as it was published, to the last digit: data::jsonb to look into it.
  data text NOT NULL,
  PRIMARY KEY (stream, epoch, seq, day)
) PARTITION BY RANGE (day);

CREATE INDEX archive_key ON hub.archive (stream, key, time);

-- How far each stream has been archived; moved in the transaction that writes the messages.
CREATE TABLE hub.archive_position (
  stream text PRIMARY KEY,
  epoch text NOT NULL,
  seq bigint NOT NULL
);

-- Unbroken stretches. A second one of an epoch begins where messages were trimmed from the log before they were archived.
CREATE TABLE hub.archive_range (
  stream text NOT NULL,
  epoch text NOT NULL,
  first bigint NOT NULL,
  last bigint NOT NULL,
  PRIMARY KEY (stream, epoch, first)
);
